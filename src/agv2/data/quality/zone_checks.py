"""Whether the stamps are UTC: the market's usual day and its weekends, held against the file's.

Two witnesses. The hours in which a market moves are those of its home's clock, so a file whose lively hours are
shifted has another clock. And markets that close for the weekend do so at one moment of the week. Each is heard for
winter, summer and the weeks in which only America is on summer time, because a clock with the wrong summer time is
right in one of them.
"""

from typing import NamedTuple

import numpy as np

from agv2.core.arrays import BoolArray, FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.timeframes import utc_offset_ns
from agv2.data.quality.config import QualityConfig
from agv2.data.quality.findings import Finding, Place, Severity, finding
from agv2.data.quality.usual_days import UsualDay, usual_day

__all__ = ["check_zone"]

_NS_PER_MINUTE = 60_000_000_000
_NS_PER_HOUR = 60 * _NS_PER_MINUTE
_NS_PER_DAY = 24 * _NS_PER_HOUR
_NEW_YORK = "America/New_York"
_QUIET = 0.15  # of a mean hour: quieter ones count alike, since closed is closed
_LIKENESS = {False: 0.9, True: 0.75}  # correlation that the shifted day must reach; by whether it is crypto
_STEPS_ALLOWANCE = 0.08  # steps between hours are noisier than the hours
_MARKED = 0.4  # of the usual day's variation that the file's day must have: a market without a day tells nothing
_WHOLE_DAY = 0.4  # of the usual number of bars that makes a day count
_MOST_STRETCHES = 12
_WEEKEND_HOURS = (46.5, 51.0)
_WEEKEND_SHARE = 0.7  # of all weekends that must be of that length for their edges to speak
_FRIDAY_CLOSE = (5 * 24 + 17) * 60  # minutes since Sunday 00:00 New York
_SUNDAY_OPEN = (7 * 24 + 17) * 60 + 30
_LEAST_EDGE_SHIFT_HOURS = 2
_MIDNIGHT_UTC_HOURS = (2, 3)  # by which weekends from midnight to midnight UTC come after New York's
_CONFIRMS = 0.6  # likeness

_SEASONS = ("in all seasons", "in winter", "in summer", "while only one side of the Atlantic has summer time")


class _Verdict(NamedTuple):
    season: int
    shift_hours: int
    gain: float
    likeness: float


def check_zone(bars: Bars, asset_class: str, currency: str, settings: QualityConfig) -> list[Finding]:
    """Evidence that the stamps are of another clock than UTC; information where that cannot be told.

    Args:
        bars: strictly rising stamps.
        asset_class: of the market.
        currency: of its prices.
        settings: `zone`.
    """
    day = usual_day(asset_class, currency)
    if day is None:
        return [_not_judged("nobody has measured the usual day of this market")]
    if bars.timeframe.minutes >= 1440:
        return [_not_judged("bars of a day say nothing about hours")]
    verdicts, heard = _by_activity(bars, day, asset_class == "crypto", settings)
    edges = _by_weekends(bars, settings)
    if edges is not None and not verdicts and _edges_decide(edges, heard):
        about = "about " if bars.timeframe.minutes > 60 else ""
        text = f"weekends begin and end {about}{_hours(edges)} New York's Friday and Sunday 17:00"
        return [_wrong(bars, text, text)]
    if verdicts:
        by_season = [verdict for verdict in verdicts if verdict.season in (1, 2)]
        differ = len({verdict.shift_hours for verdict in by_season}) > 1
        whole = by_season if differ else [verdict for verdict in verdicts if verdict.season == 0] or verdicts
        texts = [
            f"{_SEASONS[verdict.season]} the lively hours come {_hours(verdict.shift_hours)} the market's "
            f"(likeness {verdict.likeness:.2f}, {verdict.gain:.2f} more than as stamped)"
            for verdict in whole
        ]
        return [_wrong(bars, "; ".join(texts), _likely_clock(verdicts))]
    if heard is None and edges is None:
        return [_not_judged("too few days, or too little difference between hours")]
    return []


def _wrong(bars: Bars, evidence: str, value: str) -> Finding:
    return finding("wrong_zone", Severity.ERROR, 1, 1, [Place(int(bars.ts_ns[0]), value)], evidence)


def _not_judged(reason: str) -> Finding:
    return finding("not_judged", Severity.INFO, 1, 1, [], f"the time zone: {reason}")


def _hours(shift: int) -> str:
    return f"{abs(shift)} h {'after' if shift > 0 else 'before'}"


def _likely_clock(verdicts: list[_Verdict]) -> str:
    """What kind of clock the seasons speak for."""
    by_season = {verdict.season: verdict.shift_hours for verdict in verdicts}
    winter, summer = by_season.get(1), by_season.get(2)
    if winter is not None and summer is not None:
        if winter == summer:
            return f"stamps are {winter:+d} h off all year"
        if summer == winter + 1:
            return f"as if a clock {winter:+d} h from UTC with summer time had been taken for UTC"
        return f"stamps are {winter:+d} h off in winter and {summer:+d} h in summer"
    if winter is None and summer is not None:
        return f"summer time is wrong: {summer:+d} h off in summer alone"
    if winter is not None and 0 not in by_season:
        return f"summer time is wrong: {winter:+d} h off in winter alone"
    if set(by_season) == {3}:
        return "summer time of the other continent: off by an hour in the weeks between the two switches"
    shift = by_season.get(0, next(iter(by_season.values())))
    return f"stamps are {shift:+d} h off"


def _by_activity(
    bars: Bars, day: UsualDay, is_crypto: bool, settings: QualityConfig
) -> tuple[list[_Verdict], FloatArray | None]:
    """Seasons in which another clock fits clearly better, and the likeness at each shift over all of them.

    The second is None where the bars say nothing: too few days, bars longer than an hour, no marked day.
    """
    limits = settings.zone
    if bars.timeframe.minutes > 60:
        return [], None
    shares, season = _daily_shares(bars, day.zone)
    if len(shares) < limits.least_days or not _is_marked(shares, day):
        return [], None
    verdicts = []
    for number in range(4):
        own = shares if number == 0 else shares[season == number]
        if len(own) < limits.least_days:
            continue
        likeness = _likeness(own, day)
        best = int(np.argmax(likeness))
        gain = float(likeness[best] - likeness[0])
        if gain < limits.least_gain or likeness[best] < _LIKENESS[is_crypto]:
            continue
        stretches = np.array_split(own, max(2, min(_MOST_STRETCHES, len(own) // limits.least_days)))
        each = np.array([_likeness(stretch, day) for stretch in stretches])
        if float((each[:, best] > each[:, 0]).mean()) >= limits.least_agreement:
            verdicts.append(_Verdict(number, best if best <= 12 else best - 24, gain, float(likeness[best])))
    return verdicts, _likeness(shares, day)


def _daily_shares(bars: Bars, zone: str) -> tuple[FloatArray, IntArray]:
    """(n_days, 24) share of each local hour in its weekday's ranges, and each day's season as in `_SEASONS`."""
    local = bars.ts_ns + utc_offset_ns(bars.ts_ns, zone)
    dates, hour = local // _NS_PER_DAY, local // _NS_PER_HOUR % 24
    weekday = (dates + 3) % 7 < 5
    days, where, counts = np.unique(dates[weekday], return_inverse=True, return_counts=True)
    if days.size == 0:
        return np.empty((0, 24)), np.empty(0, dtype=np.int64)
    ranges = np.log(bars.high[weekday] / bars.low[weekday])
    sums = np.bincount(where * 24 + hour[weekday], weights=ranges, minlength=days.size * 24).reshape(-1, 24)
    total = sums.sum(axis=1)
    whole: BoolArray = (counts >= _WHOLE_DAY * np.median(counts)) & (total > 0.0)
    noon = days[whole] * _NS_PER_DAY + 16 * _NS_PER_HOUR
    america = utc_offset_ns(noon, _NEW_YORK) > -5 * _NS_PER_HOUR
    europe = utc_offset_ns(noon, "Europe/Berlin") > _NS_PER_HOUR
    season = np.where(america & europe, 2, np.where(america | europe, 3, 1)).astype(np.int64)
    return sums[whole] / total[whole, None], season


def _profile(shares: FloatArray) -> FloatArray:
    """(24,) logarithm of the mean share of each hour, in mean hours."""
    profile: FloatArray = np.log(np.maximum(24.0 * shares.mean(axis=0), _QUIET))
    return profile


def _is_marked(shares: FloatArray, day: UsualDay) -> bool:
    """Whether hours differ enough to tell one clock from another; a pause of few hours alone marks no day."""
    return _variation(_profile(shares)) >= _MARKED * _variation(day.liveliness)


def _variation(profile: FloatArray) -> float:
    low, high = np.quantile(profile, (0.15, 0.85))
    return float(high - low)


def _likeness(shares: FloatArray, day: UsualDay) -> FloatArray:
    """(24,) likeness of the file's day to the usual one moved later by 0 to 23 hours: the lesser of two correlations.

    One is of the hours themselves. The other is of the steps from hour to hour: the sudden ones, of opens and pauses,
    tell one clock from another, while any smooth day resembles any other at some shift.
    """
    own, usual = _profile(shares), np.maximum(day.liveliness, np.log(_QUIET))
    hours = _correlations(own, usual)
    steps = _correlations(np.roll(own, -1) - own, np.roll(usual, -1) - usual)
    likeness: FloatArray = np.minimum(hours, steps + _STEPS_ALLOWANCE)
    return likeness


def _correlations(own: FloatArray, usual: FloatArray) -> FloatArray:
    """(24,) correlation of `own` with `usual` moved later by 0 to 23 places."""
    own, usual = own - own.mean(), usual - usual.mean()
    size = float(np.sqrt((own**2).sum() * (usual**2).sum()))
    correlations: FloatArray = np.array([np.roll(usual, shift) @ own for shift in range(24)]) / max(size, 1e-12)
    return correlations


def _edges_decide(shift: int, likeness: FloatArray | None) -> bool:
    """Whether weekends alone make a wrong clock.

    Weekends two or three hours late are those of a broker's server, but also of a market that closes at midnight
    UTC, so the lively hours must confirm them; in any other case they must not speak against.
    """
    if abs(shift) < _LEAST_EDGE_SHIFT_HOURS:
        return False
    if shift in _MIDNIGHT_UTC_HOURS:
        return likeness is not None and bool(likeness[shift] >= max(_CONFIRMS, likeness[0] + 0.1))
    return likeness is None or bool(likeness[0] < likeness[shift % 24] + 0.1)


def _by_weekends(bars: Bars, settings: QualityConfig) -> int | None:
    """Hours by which weekends come later than New York's; None where weekends do not tell."""
    steps = bars.ts_ns[1:] - bars.close_ns[:-1]
    after = np.flatnonzero(steps >= 24 * _NS_PER_HOUR)
    slack = (bars.timeframe.minutes - 60) / 60.0 if bars.timeframe.minutes > 60 else 0.0
    hours = steps[after] / _NS_PER_HOUR
    lasting = (hours >= _WEEKEND_HOURS[0] - slack) & (hours <= _WEEKEND_HOURS[1] + slack)
    if lasting.sum() < settings.zone.least_weekends or lasting.mean() < _WEEKEND_SHARE:
        return None
    after = after[lasting]
    begins, ends = bars.close_ns[:-1][after], bars.ts_ns[1:][after]
    begin, end = _minute_of_week(begins), _minute_of_week(ends)
    end = np.where(end < begin, end + 10080, end)
    middle = (begin + end) / 2.0
    shift = float(np.median(middle)) - (_FRIDAY_CLOSE + _SUNDAY_OPEN) / 2.0
    agree = np.abs(middle - np.median(middle)) <= 90.0
    if agree.mean() < settings.zone.least_agreement:
        return None
    rounded = round(shift / 60.0)
    return rounded if abs(rounded) > slack else 0


def _minute_of_week(ts_ns: IntArray) -> IntArray:
    """Minutes since Sunday 00:00 New York."""
    local = ts_ns + utc_offset_ns(ts_ns, _NEW_YORK)
    minute: IntArray = (local // _NS_PER_MINUTE + 4 * 1440) % 10080  # 1970-01-01 was a Thursday
    return minute
