"""Whether bars come when they should, and whether the clocks agree on when that is."""

from dataclasses import dataclass
from enum import StrEnum

from agv2.core.timeframes import Timeframe

__all__ = ["FeedHealth", "FeedWatch"]

_NS_PER_S = 1_000_000_000


class FeedHealth(StrEnum):
    """What a feed is worth for decisions; anything but `FRESH` opens nothing."""

    FRESH = "fresh"
    WAITING = "waiting"
    """No bar has come yet."""
    STALE = "stale"
    """The newest bar is older than one timeframe and the grace."""
    SKEWED = "skewed"
    """This machine's clock and the venue's are too far apart to say how old a bar is."""


@dataclass(slots=True)
class FeedWatch:
    """Watches the bars of one market.

    A market that is closed makes a feed stale, and that is as well: nothing is opened on the last bar of a Friday that
    comes on a Monday.

    Attributes:
        timeframe: of the bars.
        grace_s: seconds after its close that a bar may still come.
        most_skew_s: seconds between the clocks that do no harm.
        newest_close_ns: of the newest bar; 0 before the first.
        skew_s: this machine's clock minus the venue's; 0 where there is but one.
    """

    timeframe: Timeframe
    grace_s: float = 60.0
    most_skew_s: float = 5.0
    newest_close_ns: int = 0
    skew_s: float = 0.0

    def heard(self, close_ns: int) -> None:
        """A bar that closed at `close_ns` was received."""
        self.newest_close_ns = max(self.newest_close_ns, close_ns)

    def compared(self, own_ns: int, venue_ns: int) -> None:
        """The two clocks were read at one moment; the venue's may lag by a second, the step of its dates."""
        self.skew_s = (own_ns - venue_ns) / _NS_PER_S

    def age_s(self, now_ns: int) -> float:
        """Seconds since the newest bar closed; 0 before the first."""
        return (now_ns - self.newest_close_ns) / _NS_PER_S if self.newest_close_ns else 0.0

    def health(self, now_ns: int) -> FeedHealth:
        """What the feed is worth at `now_ns`."""
        if not self.newest_close_ns:
            return FeedHealth.WAITING
        if abs(self.skew_s) > self.most_skew_s:
            return FeedHealth.SKEWED
        if self.age_s(now_ns) > self.timeframe.nanoseconds / _NS_PER_S + self.grace_s:
            return FeedHealth.STALE
        return FeedHealth.FRESH

    def is_late(self, now_ns: int) -> bool:
        """Whether the newest bar came too long after its close to be decided on."""
        return self.age_s(now_ns) > self.grace_s
