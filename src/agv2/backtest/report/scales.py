"""Where an axis puts its ticks, and what it writes beside them."""

import math
from dataclasses import dataclass

import numpy as np

from agv2.backtest.report.numerals import format_stamp
from agv2.core.arrays import IntArray

__all__ = ["Tick", "time_ticks", "value_ticks"]

_HOUR_NS = 3_600_000_000_000
_DAY_NS = 24 * _HOUR_NS


@dataclass(frozen=True, slots=True)
class Tick:
    """One mark of an axis: where it stands, in the axis's own unit, and its label."""

    value: float
    text: str


def value_ticks(low: float, high: float, at_most: int = 6) -> list[float]:
    """Round numbers inside `low .. high`, evenly spaced by 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    rough = (high - low) / at_most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def time_ticks(ts_ns: IntArray, at_most: int = 8) -> list[Tick]:
    """Bars at which a new hour, day, month or year begins: the finest of them that gives `at_most` ticks.

    Args:
        ts_ns: (n_bars,) stamps, rising; gaps are welcome.
        at_most: ticks to return at most, >= 2.

    Returns:
        Ticks whose value is the index of a bar in `ts_ns`.
    """
    months = ts_ns.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    units: list[tuple[IntArray, str]] = [
        *((ts_ns // (hours * _HOUR_NS), "hour") for hours in (1, 3, 6, 12)),
        *(((ts_ns // _DAY_NS + 3) // days, "day") for days in (1, 2, 7, 14)),  # weeks from Monday
        *((months // count, "month") for count in (1, 3, 6)),
        *((months // (12 * years), "year") for years in (1, 2, 5, 10)),
    ]
    for group, detail in units:
        starts = np.flatnonzero(np.diff(group)) + 1
        if len(starts) <= at_most:
            return [Tick(float(index), _label(int(ts_ns[index]), detail)) for index in starts]
    return []


def _label(ts_ns: int, detail: str) -> str:
    day, month, year = format_stamp(ts_ns, time=False).split()
    if detail == "year":
        return year
    if detail == "month":
        return f"{month} {year}"
    clock = format_stamp(ts_ns).split()[-1]
    return f"{day} {month}" if detail == "day" or clock == "00:00" else f"{day} {month} {clock}"
