"""Numbers and stamps as a person reads them."""

import math
from datetime import UTC, datetime
from enum import Enum

__all__ = ["MONTHS", "Unit", "format_number", "format_stamp"]

_THIN = "\u202f"  # narrow no-break space: a number and its unit stay on one line
_MINUS = "\u2212"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Unit(Enum):
    """What a number counts, which decides how it is written."""

    PERCENT = "percent"  # a fraction, shown times 100
    BASIS_POINTS = "basis points"  # a fraction, shown times 10,000
    RATIO = "ratio"
    R = "R"
    COUNT = "count"
    BARS = "bars"
    PER_DAY = "per day"
    MONEY = "money"
    PRICE = "price"
    SECONDS = "seconds"


def format_number(value: float | None, unit: Unit, *, signed: bool = False) -> str:
    """`value` with its unit; a real minus sign, thousands separated; an en dash when undefined.

    Args:
        value: None or not finite means undefined.
        unit: how to write it.
        signed: write the plus sign too, as suits a gain or a loss.

    Example:
        >>> format_number(-0.0684, Unit.PERCENT)
        '−6.8\u202f%'
    """
    if value is None or not math.isfinite(value):
        return "–"
    body = _body(abs(value), unit)
    zero = not any(digit in "123456789" for digit in body)
    sign = "" if zero else _MINUS if value < 0 else "+" if signed else ""
    return sign + body


def format_stamp(ts_ns: int, *, time: bool = True) -> str:
    """A UTC stamp in words, `4 Mar 2021 06:00`, or the day alone."""
    stamp = datetime.fromtimestamp(ts_ns // 1_000_000_000, tz=UTC)
    day = f"{stamp.day} {MONTHS[stamp.month - 1]} {stamp.year}"
    return f"{day} {stamp:%H:%M}" if time else day


def _body(size: float, unit: Unit) -> str:
    match unit:
        case Unit.PERCENT:
            shown = 100.0 * size
            digits = 0 if shown >= 1000 else 1 if shown >= 1 or shown == 0 else 2
            return f"{shown:,.{digits}f}{_THIN}%"
        case Unit.BASIS_POINTS:
            return f"{1e4 * size:,.{1 if 1e4 * size >= 1 or size == 0 else 2}f}{_THIN}bp"
        case Unit.RATIO:
            return f"{size:,.2f}" if size < 1000 else f"{size:,.0f}"
        case Unit.R:
            return f"{size:,.2f}{_THIN}R"
        case Unit.COUNT | Unit.BARS:
            whole = f"{size:,.0f}" if float(size).is_integer() or size >= 100 else f"{size:,.1f}"
            return whole if unit is Unit.COUNT else f"{whole}{_THIN}bars"
        case Unit.PER_DAY:
            return f"{size:,.2f}{_THIN}/{_THIN}day"
        case Unit.MONEY:
            return f"{size:,.0f}" if size >= 1000 or size == 0 else f"{size:,.2f}"
        case Unit.PRICE:
            return f"{size:,.{2 if size >= 100 else 4 if size >= 1 else 6}f}"
        case Unit.SECONDS:
            return f"{size:,.1f}{_THIN}s" if size < 100 else f"{size / 60:,.1f}{_THIN}min"
