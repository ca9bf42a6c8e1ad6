"""The moment of the daily summary."""

__all__ = ["SummaryTime"]

_NS_PER_MINUTE = 60_000_000_000
_NS_PER_DAY = 1440 * _NS_PER_MINUTE


class SummaryTime:
    """Says once a day that it is time.

    Args:
        at: `HH:MM`, UTC; empty: never.
    """

    def __init__(self, at: str) -> None:
        hour, _, minute = at.partition(":")
        self._after_midnight_ns = (int(hour) * 60 + int(minute)) * _NS_PER_MINUTE if at else None
        self._day: int | None = None

    def is_due(self, now_ns: int) -> bool:
        """Whether the moment has passed since the last question; the first question only begins the count.

        >>> noon = SummaryTime("12:00")
        >>> [noon.is_due(hour * 3_600_000_000_000) for hour in (1, 11, 13, 14, 37)]
        [False, False, True, False, True]
        """
        if self._after_midnight_ns is None:
            return False
        before, self._day = self._day, (now_ns - self._after_midnight_ns) // _NS_PER_DAY
        return before is not None and self._day > before
