"""Written dates and times read as nanoseconds: of the vendor's clock, or of UTC where the text says so."""

import re
import warnings
from typing import NamedTuple

import numpy as np
import polars as pl

from agv2.core.arrays import IntArray
from agv2.core.errors import ConfigError, DataError
from agv2.data.importers.text_table import RowReader, quoted

__all__ = ["StampLayout", "layout_of_stamps", "read_stamps", "stated_layout"]

_EPOCH_NS = {"epoch_s": 1_000_000_000, "epoch_ms": 1_000_000, "epoch_us": 1_000, "epoch_ns": 1}
_EPOCH_BY_DIGITS = {10: "epoch_s", 13: "epoch_ms", 16: "epoch_us", 19: "epoch_ns"}
_LATEST_NS = 7_258_118_400_000_000_000  # 2200-01-01
_TIME = re.compile(r"(?P<gap>T| +)\d{1,2}:\d{2}(?P<seconds>:\d{2}(?P<fraction>\.\d+)?)?")
_YEAR_FIRST = re.compile(r"\d{4}(?P<mark>[-./])\d{1,2}(?P=mark)\d{1,2}")
_YEAR_LAST = re.compile(r"\d{1,2}(?P<mark>[-./])\d{1,2}(?P=mark)\d{4}")
_COMPACT = re.compile(r"\d{8}(?: \d{6})?")
_OFFSET = re.compile(r"[+-]\d{2}:?\d{2}")


class StampLayout(NamedTuple):
    """How stamps are written."""

    pattern: str
    """As strptime and chrono spell it, or epoch_s, epoch_ms, epoch_us, epoch_ns."""
    is_utc: bool
    """Whether the text itself fixes the moment, whatever clock the vendor used."""


def stated_layout(text: str) -> StampLayout:
    """The layout that `--ts-format` states: `%d/%m/%Y %H:%M`, or epoch_s, epoch_ms, epoch_us, epoch_ns.

    Raises:
        ConfigError: the text names no year, month and day.
    """
    pattern = text.replace(".%f", "%.f").replace("%:z", "%z").replace("%F", "%Y-%m-%d").replace("%T", "%H:%M:%S")
    has_date = "%m" in pattern or "%b" in pattern
    if pattern not in _EPOCH_NS and not (("%Y" in pattern or "%y" in pattern) and has_date and "%d" in pattern):
        raise ConfigError(
            f"--ts-format {text!r} names no whole date; write such as '%d/%m/%Y %H:%M', or one of "
            f"{', '.join(_EPOCH_NS)}"
        )
    return StampLayout(pattern, is_utc=pattern in _EPOCH_NS or "%z" in pattern)


def layout_of_stamps(reader: RowReader, texts: pl.Series) -> StampLayout:
    """How `texts` are written, told from the first of them, and from all where day and month could be either.

    Args:
        reader: the file, for messages.
        texts: (n_rows,) date and time.

    Raises:
        DataError: the layout is unknown, or nothing tells day from month.
    """
    first = next((text for text in texts if text), "")
    if first.isdecimal() and first.isascii() and len(first) in _EPOCH_BY_DIGITS:
        return StampLayout(_EPOCH_BY_DIGITS[len(first)], is_utc=True)
    if match := _YEAR_FIRST.match(first):
        mark = match["mark"]
        return _with_time(reader, first, f"%Y{mark}%m{mark}%d", match.end())
    if match := _YEAR_LAST.match(first):
        mark = match["mark"]
        both = [_with_time(reader, first, f"{date}{mark}%Y", match.end()) for date in (f"%d{mark}%m", f"%m{mark}%d")]
        n_unread = [_parsed(texts, each).null_count() for each in both]
        if n_unread[0] == n_unread[1]:
            raise DataError(
                f"{reader.path}: {quoted(first)} could be day first or month first, and no date in the file tells "
                f"which; say --ts-format '{both[0].pattern}' or '{both[1].pattern}'"
            )
        return both[int(np.argmin(n_unread))]
    if _COMPACT.fullmatch(first):
        return StampLayout("%Y%m%d %H%M%S" if " " in first else "%Y%m%d", is_utc=False)
    raise _unknown(reader, first)


def read_stamps(reader: RowReader, texts: pl.Series, layout: StampLayout) -> IntArray:
    """(n_rows,) nanoseconds since 1970 as written, or of UTC where `layout.is_utc`; rows that do not fit are rejected.

    Args:
        reader: the file, which is told of rows without a stamp between 1970 and 2200.
        texts: (n_rows,) date and time.
        layout: how they are written.
    """
    ns_per_unit = _EPOCH_NS.get(layout.pattern, 1_000)
    found = _parsed(texts, layout)
    units = np.array(found.fill_null(-1).to_numpy(), dtype=np.int64)
    bad = (units < 0) | (units >= _LATEST_NS // ns_per_unit)
    reader.reject(bad, f"stamp is not of the form {layout.pattern} within 1970 to 2200")
    stamps: IntArray = np.where(bad, 0, units) * ns_per_unit
    return stamps


def _parsed(texts: pl.Series, layout: StampLayout) -> pl.Series:
    """Whole units since 1970, null where a text does not fit: microseconds, or what an epoch counts in."""
    if layout.pattern in _EPOCH_NS:
        return texts.cast(pl.Int64, strict=False)
    with warnings.catch_warnings():  # chrono has opinions on patterns
        warnings.simplefilter("ignore")
        try:
            moments = texts.str.to_datetime(
                layout.pattern, strict=False, time_unit="us", time_zone="UTC" if layout.is_utc else None
            )
        except pl.exceptions.PolarsError as error:
            problem = str(error).splitlines()[0]
            raise ConfigError(f"--ts-format {layout.pattern!r} cannot be used ({problem})") from error
    return moments.to_physical()


def _with_time(reader: RowReader, first: str, date: str, end: int) -> StampLayout:
    """`date` completed by the time of day and the offset that follow it in `first`."""
    pattern, rest = date, first[end:]
    if match := _TIME.match(rest):
        pattern += ("T" if match["gap"] == "T" else " ") + "%H:%M"
        pattern += (":%S" + ("%.f" if match["fraction"] else "")) if match["seconds"] else ""
        rest = rest[match.end() :]
        gap = rest[: len(rest) - len(rest.lstrip())]
        rest = rest.lstrip()
        for word in ("GMT", "UTC", ""):
            if rest.startswith(word) and _OFFSET.fullmatch(rest[len(word) :]):
                return StampLayout(f"{pattern}{gap}{word}%z", is_utc=True)
        if rest in ("Z", "UTC", "GMT"):
            return StampLayout(f"{pattern}{gap}{rest}", is_utc=True)
    if rest:
        raise _unknown(reader, first)
    return StampLayout(pattern, is_utc=False)


def _unknown(reader: RowReader, first: str) -> DataError:
    return DataError(
        f"{reader.path}: the stamp {quoted(first)} is written in no form that is known; say how with --ts-format, "
        "such as '%d/%m/%Y %H:%M'"
    )
