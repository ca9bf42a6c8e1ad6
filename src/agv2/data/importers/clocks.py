"""Vendors' clocks: what they are called, and how a reading on one becomes UTC."""

import re
import zoneinfo
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from agv2.core.arrays import BoolArray, IntArray
from agv2.core.errors import ConfigError

__all__ = ["CANDIDATES", "EST", "UTC", "Clock", "UtcStamps", "local_minutes", "parse_clock", "to_utc"]

_HOUR_NS = 3_600_000_000_000
_PASSES: tuple[Literal["earliest", "latest"], ...] = ("earliest", "latest")
_NAMES = {
    "UTC": "UTC", "GMT": "UTC", "Z": "UTC", "EST": "Etc/GMT+5", "EET": "Europe/Athens", "EET/EEST": "Europe/Athens",
    "CET": "Europe/Berlin", "CET/CEST": "Europe/Berlin", "NY": "America/New_York", "NEW YORK": "America/New_York",
    "CHICAGO": "America/Chicago", "US/EASTERN": "America/New_York", "US/CENTRAL": "America/Chicago",
}  # fmt: skip


class Clock(NamedTuple):
    """What a vendor's wall clock shows: the local time of `zone`, `ahead_hours` later."""

    name: str
    zone: str
    ahead_hours: int = 0


class UtcStamps(NamedTuple):
    """Readings of a clock as UTC, in the order of the file."""

    ts_ns: IntArray
    """(n,) nanoseconds UTC; meaningless where `missing`."""
    missing: BoolArray
    """(n,) readings that the clock skipped when it was put forward."""
    n_ambiguous: int
    """Readings that the clock showed twice when it was put back, settled by the order of the rows."""


UTC = Clock("UTC", "UTC")
EST = Clock("EST (UTC-5 all year)", "Etc/GMT+5")

CANDIDATES = (
    UTC,
    Clock("New York + 7 h (server)", "America/New_York", 7),
    Clock("Europe/Athens (EET/EEST)", "Europe/Athens"),
    Clock("UTC+2 all year", "Etc/GMT-2"),
    Clock("UTC+3 all year", "Etc/GMT-3"),
    Clock("Europe/Berlin", "Europe/Berlin"),
    Clock("Europe/London", "Europe/London"),
    EST,
    Clock("America/New_York", "America/New_York"),
    Clock("America/Chicago", "America/Chicago"),
)
"""Clocks that exports of bars are known to carry; those before others are named first where the bars fit both."""


def parse_clock(text: str) -> Clock:
    """The clock that `--timezone` names: an IANA zone, UTC, EST (fixed), EET, New York, or any of them `+7`.

    >>> parse_clock("New York+7")
    Clock(name='New York+7', zone='America/New_York', ahead_hours=7)

    Raises:
        ConfigError: there is no such zone.
    """
    name = text.strip()
    if (zone := _zone(name)) is not None:
        return Clock(name, zone)
    match = re.fullmatch(r"(.+?) ?([+-]) ?(\d{1,2})(?: ?h)?", name)
    if match is not None and int(match[3]) <= 14 and (zone := _zone(match[1])) is not None:
        return Clock(name, zone, int(f"{match[2]}{match[3]}"))
    raise ConfigError(
        f"--timezone {text!r} is no zone that is known; write UTC, EST, EET, America/New_York, Europe/Athens, "
        "New York+7 or UTC+2"
    )


def to_utc(stamp_ns: IntArray, clock: Clock) -> UtcStamps:
    """Readings of `clock` as UTC.

    An hour that the clock shows twice is settled by the order of the file: rows before the reading falls back are of
    the first pass, rows from there on of the second; so it is where the reading repeats. Where it does neither, all are
    of the first pass, unless the row before is later than that.

    Args:
        stamp_ns: (n,) readings as nanoseconds since 1970, in the order of the file, oldest first.
        clock: whose readings they are.
    """
    naive = stamp_ns - clock.ahead_hours * _HOUR_NS
    series = pl.Series((naive // 1000).astype("datetime64[us]"))
    passes = [_moments(series, clock.zone, which) for which in _PASSES]
    missing = passes[0].is_null().to_numpy()
    first, second = (np.array(each.fill_null(0).to_numpy(), dtype=np.int64) * 1000 + naive % 1000 for each in passes)
    ambiguous = np.flatnonzero(first != second)
    for run in np.split(ambiguous, np.flatnonzero(np.diff(ambiguous) != 1) + 1):
        steps = np.diff(naive[run])
        falls = np.flatnonzero(steps < 0)
        falls = falls if falls.size else np.flatnonzero(steps == 0)  # hourly bars show each pass by one reading
        if falls.size:
            late = run[falls[0] + 1 :]
            first[late] = second[late]
        elif run.size and run[0] > 0 and first[run[0]] - first[run[0] - 1] <= 0:
            first[run] = second[run]
    return UtcStamps(first, missing, int(ambiguous.size))


def local_minutes(ts_ns: IntArray, zone: str) -> IntArray:
    """(n,) whole minutes since 1970 on the clocks of `zone`, of moments in nanoseconds UTC."""
    utc = pl.Series((ts_ns // 1000).astype("datetime64[us]")).dt.replace_time_zone("UTC")
    local = utc.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    minutes: IntArray = local.to_physical().to_numpy() // 60_000_000
    return minutes


def _moments(naive: pl.Series, zone: str, which: Literal["earliest", "latest"]) -> pl.Series:
    """Microseconds UTC; null where `zone` never showed the reading."""
    local = naive.dt.replace_time_zone(zone, ambiguous=which, non_existent="null")
    return local.dt.convert_time_zone("UTC").to_physical()


def _zone(name: str) -> str | None:
    """The IANA name of a zone."""
    if known := _NAMES.get(name.upper()):
        return known
    try:
        zoneinfo.ZoneInfo(name)
        pl.Series([0], dtype=pl.Datetime("us")).dt.replace_time_zone(name)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError, pl.exceptions.PolarsError):
        return None
    return name
