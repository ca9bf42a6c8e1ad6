"""Whose clock the stamps of a file were read from, and whether at a bar's open or close: told by the bars, or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.timeframes import Timeframe
from agv2.data.importers.clocks import Clock, local_minutes, to_utc
from agv2.data.importers.market_rhythm import Breaks, breaks_of, edge_fit, seasons_of

__all__ = ["ClockFinding", "ClockScore", "StampSide", "find_clock"]

StampSide = Literal["open", "close"]

_MINUTE_NS = 60_000_000_000
_HOUR_NS = 60 * _MINUTE_NS
_FEWEST = {"weekly": 3, "daily": 5, "none": 1}
_GOOD_SHARE, _GOOD_SEASON, _RIVAL_SHARE = 0.75, 0.5, 0.5
_CLEAR, _ALIKE = 0.05, 0.4
_FEWEST_SLOTS, _FEWEST_BARS = 8, 3
_ACTIVE_HOURS = (("Europe/Berlin", 7, 13), ("America/New_York", 8, 17))
_SEASONS = ("winter", "US-only summer time", "EU-only summer time", "summer")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class ClockScore(NamedTuple):
    """How well one clock explains the bars."""

    clock: Clock
    stamps: StampSide
    share: float
    """Breaks that begin and end when a known market's do."""
    good: bool
    """Whether this clock explains the bars in every season they cover."""
    why: str


@dataclass(frozen=True, slots=True)
class ClockFinding:
    """What the bars say, and how sure that is."""

    scores: tuple[ClockScore, ...]
    """Best first; empty where the bars show no breaks to judge by."""
    best: ClockScore | None
    """None: not enough evidence."""
    same: tuple[str, ...]
    """Other clocks that give this file the same stamps."""
    reason: str
    """What decided, or why nothing could."""
    sure: Literal["high", "moderate", "none"]

    def allows(self, clock: Clock, stamps: StampSide, stamp_ns: IntArray) -> bool:
        """Whether `clock` gives the stamps that were found; true where nothing was found."""
        if self.best is None:
            return True
        ours, theirs = (to_utc(stamp_ns, each) for each in (clock, self.best.clock))
        return stamps == self.best.stamps and np.array_equal(ours.ts_ns, theirs.ts_ns)


def find_clock(
    stamp_ns: IntArray,
    log_range: FloatArray,
    timeframe: Timeframe,
    clocks: Sequence[Clock],
    sides: Sequence[StampSide],
) -> ClockFinding:
    """The clock, among `clocks`, that puts the market's breaks where markets break, in every season of the file.

    Weekly breaks (Sunday and Friday, New York) or cash sessions judge each clock season by season. Clocks that give
    the same stamps throughout the file are one answer. Several answers part where only the US, or only Europe, is on
    summer time: there the day's activity decides, since a server may keep its sessions fixed on its own clock. Where
    it speaks against the breaks and none of several answers, nothing is found.

    Args:
        stamp_ns: (n_bars,) readings, strictly rising.
        log_range: (n_bars,) log of high over low.
        timeframe: length of the bars.
        clocks: candidates, the likelier first.
        sides: whether a stamp may be a bar's open, its close, or either.
    """
    breaks = breaks_of(stamp_ns)
    if breaks.kind == "none":
        return _nothing("the bars show neither weekly breaks nor cash sessions (a market that never shuts, or too few)")
    if breaks.last.size < _FEWEST[breaks.kind]:
        return _nothing(f"only {breaks.last.size} {breaks.kind} breaks, at least {_FEWEST[breaks.kind]} are needed")
    if timeframe.minutes >= 1440:
        return _nothing("bars of a day and more do not show when a market opens")
    hours = np.flatnonzero(np.diff(stamp_ns // _HOUR_NS, prepend=-1))
    scores = [_score(stamp_ns, hours, breaks, timeframe, clock, side) for clock in clocks for side in sides]
    scores.sort(key=lambda score: (not score.good, -score.share))
    answers = _answers(stamp_ns[hours], timeframe, [score for score in scores if score.share >= _GOOD_SHARE])
    if len(answers) == 2 and len(sides) == 2:
        answers = _by_alignment(stamp_ns, timeframe, answers)
    good = [answer for answer in answers if answer[0].good]
    if not good:
        return _nothing("no clock puts the breaks where markets break", scores)
    activity = _Activity(stamp_ns, log_range, timeframe)
    # An exchange's own session is never fixed on a server's clock.
    exact = breaks.kind == "daily" and len(good) == 1
    winner, decided = (good[0], "") if exact else _winner(activity, good, answers)
    if winner is None:
        names = " or ".join(f"{answer[0].clock.name}, stamps at {answer[0].stamps}" for answer in answers[:3])
        return _nothing(f"the bars fit {names}", scores)
    best = winner[0]
    for rival in scores:
        if not exact and rival.share >= _RIVAL_SHARE and rival not in winner and rival.stamps == best.stamps:
            ours, theirs = activity.likeness(best, rival)
            if theirs > ours + _CLEAR:
                reason = f"sessions say {best.clock.name}, the hours of activity {rival.clock.name}"
                return _nothing(f"{reason} (likeness {ours:.2f} and {theirs:.2f})", scores)
    n_seasons = np.unique(seasons_of(_opens(stamp_ns[breaks.first], timeframe, best))).size
    sure: Literal["high", "moderate"] = "high" if n_seasons > 1 and breaks.last.size >= 8 else "moderate"
    same = tuple(dict.fromkeys(score.clock.name for score in winner[1:] if score.clock != best.clock))
    return ClockFinding(tuple(scores), best, same, decided or best.why, sure)


def _winner(
    activity: "_Activity", good: list[list[ClockScore]], answers: list[list[ClockScore]]
) -> tuple[list[ClockScore] | None, str]:
    """The answer whose day of activity stays the same through the year; where that is unknown, the only good one."""
    if len(answers) == 1:
        return good[0], ""
    unknown = True
    for answer in answers:
        pairs = [activity.likeness(answer[0], other[0]) for other in answers if other is not answer]
        unknown &= all(pair == (0.0, 0.0) for pair in pairs)
        if all(ours >= theirs + _CLEAR for ours, theirs in pairs):
            ours, theirs = min(pairs, key=lambda pair: pair[0] - pair[1])
            return answer, (
                f"the day's activity keeps its hours by this clock (likeness {ours:.2f}, {theirs:.2f} by another); "
                f"{answer[0].why}"
            )
    return (good[0] if unknown and len(good) == 1 else None), ""


def _nothing(reason: str, scores: Sequence[ClockScore] = ()) -> ClockFinding:
    return ClockFinding(tuple(scores), None, (), reason, "none")


def _opens(stamp_ns: IntArray, timeframe: Timeframe, score: ClockScore) -> IntArray:
    shift = timeframe.nanoseconds if score.stamps == "close" else 0
    return to_utc(stamp_ns, score.clock).ts_ns - shift


def _score(
    stamp_ns: IntArray, hours: IntArray, breaks: Breaks, timeframe: Timeframe, clock: Clock, side: StampSide
) -> ClockScore:
    n_missing = int(to_utc(stamp_ns[hours], clock).missing.sum())
    length = timeframe.nanoseconds
    opens = to_utc(stamp_ns[breaks.first], clock).ts_ns - (length if side == "close" else 0)
    closes = to_utc(stamp_ns[breaks.last], clock).ts_ns + (length if side == "open" else 0)
    fit = edge_fit(breaks.kind, closes, opens, timeframe.minutes)
    share = float(fit.fits.mean())
    seasons = seasons_of(opens)
    parts = []
    good = share >= _GOOD_SHARE and not n_missing
    for season in np.unique(seasons):
        here = fit.fits[seasons == season]
        good &= bool(here.mean() >= _GOOD_SEASON)
        parts.append(f"{_SEASONS[season]} {int(here.sum())} of {here.size}")
    word = "weeks run" if breaks.kind == "weekly" else "sessions run"
    why = (
        f"{word} {_clock_text(fit.open_minute, breaks)} to {_clock_text(fit.close_minute, breaks)} New York; "
        f"fitting: {', '.join(parts)}"
    )
    if n_missing:
        why += f"; {n_missing} hours that this clock skipped"
    return ClockScore(clock, side, share, good, why)


def _clock_text(minute: int, breaks: Breaks) -> str:
    day = f"{_DAYS[minute // 1440]} " if breaks.kind == "weekly" else ""
    return f"{day}{minute % 1440 // 60}:{minute % 60:02d}"


def _answers(sample_ns: IntArray, timeframe: Timeframe, scores: Sequence[ClockScore]) -> list[list[ClockScore]]:
    """Scores by the UTC opens that their clocks give."""
    answers: dict[bytes, list[ClockScore]] = {}
    for score in scores:
        answers.setdefault(_opens(sample_ns, timeframe, score).tobytes(), []).append(score)
    return list(answers.values())


def _by_alignment(stamp_ns: IntArray, timeframe: Timeframe, answers: list[list[ClockScore]]) -> list[list[ClockScore]]:
    """Of two answers that differ by one short bar, the one whose sessions begin and end on whole five minutes."""
    if timeframe.minutes >= 5 or answers[0][0].stamps == answers[1][0].stamps:
        return answers
    breaks = np.flatnonzero(np.diff(stamp_ns) >= _HOUR_NS // 2)
    shares = []
    for answer in answers:
        opens = stamp_ns[breaks + 1] - (timeframe.nanoseconds if answer[0].stamps == "close" else 0)
        closes = stamp_ns[breaks] + (timeframe.nanoseconds if answer[0].stamps == "open" else 0)
        shares.append(float(np.mean(np.concatenate([opens, closes]) % (5 * _MINUTE_NS) == 0)))
    clear = abs(shares[0] - shares[1]) >= 0.4
    return [answers[int(np.argmax(shares))]] if clear else answers


class _Activity:
    """Mean log range by time of day, which tells where two clocks part: a market keeps its hours through the year.

    Mornings are told by Berlin's clock and afternoons by New York's, for what happens in each keeps to its own.
    """

    def __init__(self, stamp_ns: IntArray, log_range: FloatArray, timeframe: Timeframe) -> None:
        self._stamp_ns, self._log_range, self._timeframe = stamp_ns, log_range, timeframe
        self._minutes = max(timeframe.minutes, 15)

    def likeness(self, one: ClockScore, other: ClockScore) -> tuple[float, float]:
        """How like the activity where two clocks part is to that where they agree, by either; 0 for both if unknown."""
        opens = [_opens(self._stamp_ns, self._timeframe, score) for score in (one, other)]
        apart = opens[0] != opens[1]
        usual = self._profile(opens[0][~apart], self._log_range[~apart])
        found = []
        for each in opens:
            here = self._profile(each[apart], self._log_range[apart])
            both = np.isfinite(here) & np.isfinite(usual)
            varied = both.sum() >= _FEWEST_SLOTS and here[both].std() > 0.0 and usual[both].std() > 0.0
            found.append(float(np.corrcoef(here[both], usual[both])[0, 1]) if varied else 0.0)
        return (found[0], found[1]) if all(found) and max(found) >= _ALIKE else (0.0, 0.0)

    def _profile(self, opens_ns: IntArray, log_range: FloatArray) -> FloatArray:
        """Mean log range by slot, Berlin's morning and New York's day; NaN where fewer than three bars lie."""
        parts = []
        for zone, first_hour, last_hour in _ACTIVE_HOURS:
            slots = local_minutes(opens_ns, zone) % 1440 // self._minutes
            n_slots = -(-1440 // self._minutes)
            counts = np.bincount(slots, minlength=n_slots)
            means = np.bincount(slots, weights=log_range, minlength=n_slots) / np.maximum(counts, 1)
            means[counts < _FEWEST_BARS] = np.nan
            parts.append(means[first_hour * 60 // self._minutes : last_hour * 60 // self._minutes])
        return np.concatenate(parts)
