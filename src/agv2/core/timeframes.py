"""Lengths of bars, and the calendar that says which trading day a moment belongs to."""

import datetime
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.errors import DataError

__all__ = ["SessionCalendar", "Timeframe", "context_timeframes", "utc_offset_ns", "year_bounds_ns"]

_UNIT_MINUTES = {"m": 1, "h": 60, "d": 1440, "w": 10080}
_NS_PER_MINUTE = 60_000_000_000
_NS_PER_HOUR = 60 * _NS_PER_MINUTE
_NS_PER_DAY = 24 * _NS_PER_HOUR
_THURSDAY = 3  # 1970-01-01


@dataclass(frozen=True, slots=True, order=True)
class Timeframe:
    """Length of a bar in whole minutes, >= 1.

    >>> Timeframe.parse("4h").minutes, Timeframe(1440).name
    (240, '1d')
    """

    minutes: int

    def __post_init__(self) -> None:
        if self.minutes < 1:
            raise DataError(f"a timeframe is at least one minute, found {self.minutes}")

    @classmethod
    def parse(cls, text: str) -> "Timeframe":
        """Read `1m`, `5m`, `1h`, `4h`, `1d`, `1w`.

        Raises:
            DataError: the text is no such thing.
        """
        match = re.fullmatch(r"([1-9]\d*)([mhdw])", text.strip().lower())
        if match is None:
            raise DataError(f"timeframe {text!r} is not understood; write 1m, 5m, 15m, 30m, 1h, 4h or 1d")
        return cls(int(match[1]) * _UNIT_MINUTES[match[2]])

    @property
    def name(self) -> str:
        """Shortest text that `parse` reads back."""
        for letter in "wdhm":
            if self.minutes % _UNIT_MINUTES[letter] == 0:
                return f"{self.minutes // _UNIT_MINUTES[letter]}{letter}"
        raise AssertionError("every length is a whole number of minutes")

    @property
    def nanoseconds(self) -> int:
        """Length in nanoseconds."""
        return self.minutes * _NS_PER_MINUTE


_CONTEXT = {1: (5, 15), 5: (15, 60), 15: (60, 240), 30: (120, 480), 60: (240, 1440)}


def context_timeframes(base: Timeframe) -> tuple[Timeframe, Timeframe]:
    """The two coarser timeframes seen beside `base`; ×4 and ×24 where no pair is customary."""
    near, far = _CONTEXT.get(base.minutes, (base.minutes * 4, base.minutes * 24))
    return Timeframe(near), Timeframe(far)


@dataclass(frozen=True, slots=True)
class SessionCalendar:
    """When a market's trading day and its financing night roll.

    Sources: FX and metals roll at 17:00 New York; brokers charge three nights on one weekday for the weekend.
    """

    roll_hour: int
    """Local hour, 0–23, at which a new trading day begins."""
    roll_zone: str
    """IANA zone of `roll_hour`."""
    trading_days_per_year: float
    """For annualisation of daily returns."""
    triple_weekday: int | None
    """Weekday (Monday 0) of the trading day that ends with three nights' financing; None: never."""
    weekend_nights: bool
    """Whether nights that end a Saturday or a Sunday are charged (true for markets open round the clock)."""

    def trading_days(self, ts_ns: IntArray) -> IntArray:
        """Trading day of each moment, as days since 1970-01-01 of the date on which that day ends.

        Args:
            ts_ns: (n,) nanoseconds UTC.

        Returns:
            (n,) day numbers. With a roll at 17:00, 18:00 on Monday belongs to Tuesday; with a roll at 0:00 a
            moment belongs to its own date.
        """
        local = ts_ns + utc_offset_ns(ts_ns, self.roll_zone)
        forward = (24 - self.roll_hour) % 24
        return (local + forward * _NS_PER_HOUR) // _NS_PER_DAY

    def local_hours(self, ts_ns: IntArray) -> IntArray:
        """Hour of the day on the clock of `roll_zone` at each moment, 0 to 23.

        Args:
            ts_ns: (n,) nanoseconds UTC.
        """
        local = ts_ns + utc_offset_ns(ts_ns, self.roll_zone)
        return local // _NS_PER_HOUR % 24

    def nights(self, ts_ns: IntArray) -> FloatArray:
        """Financing nights between each moment and the one before it; the first moment has none.

        A night ends each trading day that is crossed. Days that end on a weekend count only with
        `weekend_nights`; the day on `triple_weekday` counts three.
        """
        days = self.trading_days(ts_ns)
        nights = np.zeros(ts_ns.size)
        if ts_ns.size < 2:
            return nights
        first, last = int(days.min()), int(days.max())
        weekdays = (np.arange(first, last + 2) + _THURSDAY) % 7
        weight = np.ones(weekdays.size)
        if not self.weekend_nights:
            weight[weekdays >= 5] = 0.0
        if self.triple_weekday is not None:
            weight[weekdays == self.triple_weekday] = 3.0
        ended = np.concatenate([[0.0], np.cumsum(weight)])
        nights[1:] = ended[days[1:] - first] - ended[days[:-1] - first]
        return nights


def year_bounds_ns(year: int) -> tuple[int, int]:
    """First moment of a UTC year and of the next one, nanoseconds UTC.

    >>> year_bounds_ns(1970)
    (0, 31536000000000000)
    """
    first, beyond = (int(np.datetime64(f"{each:04d}", "ns").astype(np.int64)) for each in (year, year + 1))
    return first, beyond


def utc_offset_ns(ts_ns: IntArray, zone: str) -> IntArray:
    """Local time minus UTC at each moment; looked up once an hour, since clocks change on whole hours UTC."""
    if zone == "UTC" or ts_ns.size == 0:
        return np.zeros(ts_ns.size, dtype=np.int64)
    hours, where = np.unique(ts_ns // _NS_PER_HOUR, return_inverse=True)
    offsets = _hourly_offsets(hours, zone)
    found: IntArray = offsets[where]
    return found


def _hourly_offsets(hours: IntArray, zone: str) -> IntArray:
    """Offset at each UTC hour. A day whose two ends agree has one offset, so most days cost two look-ups."""
    tz = ZoneInfo(zone)

    def offset(hour: int) -> int:
        moment = datetime.datetime.fromtimestamp(hour * 3600, tz)
        shift = moment.utcoffset()
        assert shift is not None
        return int(shift.total_seconds()) * 1_000_000_000

    days = hours // 24
    unique_days, where = np.unique(days, return_inverse=True)
    starts = np.array([offset(int(day) * 24) for day in unique_days], dtype=np.int64)
    ends = np.array([offset(int(day) * 24 + 23) for day in unique_days], dtype=np.int64)
    offsets: IntArray = starts[where]
    for index in np.flatnonzero((starts != ends)[where]):
        offsets[index] = offset(int(hours[index]))
    return offsets
