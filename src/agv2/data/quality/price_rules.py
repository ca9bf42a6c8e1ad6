"""Rows whose prices cannot be: missing, not above zero, or outside their own bar."""

import numpy as np

from agv2.core.arrays import BoolArray
from agv2.data.quality.findings import Finding, Severity, finding, places_at
from agv2.data.raw_bars import RawBars

__all__ = ["check_prices", "price_problem", "usable_prices"]

_PRICES = ("open", "high", "low", "close")


def usable_prices(raw: RawBars) -> BoolArray:
    """(n_rows,) whether all four prices are finite, above zero and inside low to high."""
    missing, non_positive, violated = _faults(raw)
    return ~(missing | non_positive | violated)


def check_prices(raw: RawBars) -> list[Finding]:
    """Rows that no run can use, one finding a kind."""
    found = []
    for name, bad in zip(("null_price", "non_positive_price", "ohlc_violation"), _faults(raw), strict=True):
        rows = np.flatnonzero(bad)
        if rows.size:
            shown = rows[:5]
            places = places_at(shown, raw.ts_ns[shown], [_prices_text(raw, int(row)) for row in shown])
            found.append(finding(name, Severity.ERROR, rows.size, len(raw), places))
    return found


def price_problem(raw: RawBars) -> tuple[int, str] | None:
    """The first row that cannot be used, and what is wrong with it; None when all can."""
    unusable = np.flatnonzero(~usable_prices(raw))
    if unusable.size == 0:
        return None
    row = int(unusable[0])
    values = {name: float(getattr(raw, name)[row]) for name in _PRICES}
    for name, value in values.items():
        if not np.isfinite(value):
            return row, f"{name} {'null' if np.isnan(value) else f'{value:g}'} is not a number"
    for name, value in values.items():
        if value <= 0.0:
            return row, f"{name} {value:g} is not above zero"
    if values["high"] < values["low"]:
        return row, f"high is below low ({_prices_text(raw, row)})"
    outside = next(name for name in ("open", "close") if not values["low"] <= values[name] <= values["high"])
    return row, f"{outside} lies outside low to high ({_prices_text(raw, row)})"


def _faults(raw: RawBars) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Rows with a missing price; else with one not above zero; else with an impossible bar."""
    prices = np.column_stack([getattr(raw, name) for name in _PRICES])
    missing: BoolArray = ~np.isfinite(prices).all(axis=1)
    non_positive: BoolArray = ~missing & (prices <= 0.0).any(axis=1)
    with np.errstate(invalid="ignore"):
        inside = (raw.low <= np.minimum(raw.open, raw.close)) & (raw.high >= np.maximum(raw.open, raw.close))
    violated: BoolArray = ~missing & ~non_positive & ~inside
    return missing, non_positive, violated


def _prices_text(raw: RawBars, row: int) -> str:
    values = ((name, float(getattr(raw, name)[row])) for name in _PRICES)
    return ", ".join(f"{name} {'null' if np.isnan(value) else f'{value:g}'}" for name, value in values)
