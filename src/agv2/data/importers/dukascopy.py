"""Dukascopy, candles and ticks of the web export and of JForex."""

import re
from dataclasses import replace

import polars as pl

from agv2.core.arrays import IntArray
from agv2.data.importers.clocks import UTC, parse_clock
from agv2.data.importers.stamp_text import StampLayout, layout_of_stamps, read_stamps
from agv2.data.importers.text_table import RowReader, TextTable
from agv2.data.importers.vendor_rows import PriceSide, ReadOptions, VendorFormat, VendorRows, priced_rows, quoted_rows

__all__ = ["DUKASCOPY", "DUKASCOPY_TICKS", "side_in_name"]

_NAME = re.compile(r"([A-Z0-9.]+)_(?:Candlestick_.*|Ticks_.*)")
_STAMP_COLUMN = re.compile(r"(?:gmt time|local time|time|utc|eet|time \((?:utc|gmt|eet)\))")
_STAMP = r"(?:\d{2}\.\d{2}\.\d{4}|\d{4}\.\d{2}\.\d{2}) \d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?: GMT[+-]\d{4})?"
_CANDLE = ("open", "high", "low", "close", "volume")
_TICK = ("ask", "bid", "askvolume", "bidvolume")


def side_in_name(stem: str) -> PriceSide | None:
    """The side that a file's name states by the word bid or ask, but not both.

    >>> side_in_name("EURUSD_Candlestick_1_Hour_ASK_01.01.2017")
    'ask'
    """
    words = set(re.split(r"[^A-Za-z]+", stem.lower()))
    if ("bid" in words) == ("ask" in words):
        return None
    return "bid" if "bid" in words else "ask"


def _fits_candles(table: TextTable) -> bool:
    return _is_ours(table) and table.names[1:] == _CANDLE


def _fits_ticks(table: TextTable) -> bool:
    names = tuple(re.sub(r"[ _]", "", name) for name in table.names[1:])
    return _is_ours(table) and (names == _TICK or names == _TICK[:2])


def _is_ours(table: TextTable) -> bool:
    return bool(table.names) and bool(_STAMP_COLUMN.fullmatch(table.names[0])) and table.column_matches(0, _STAMP)


def _read_candles(table: TextTable, options: ReadOptions) -> VendorRows:
    reader = RowReader(table, options.allowed_bad)
    stamps, layout = _stamps(reader, options)
    rows = priced_rows(reader, stamps, (1, 2, 3, 4), 5)
    return replace(_named(rows, table, layout), price_side=side_in_name(table.source.stem))


def _read_ticks(table: TextTable, options: ReadOptions) -> VendorRows:
    reader = RowReader(table, options.allowed_bad)
    stamps, layout = _stamps(reader, options)
    return _named(quoted_rows(reader, stamps, bid=2, ask=1), table, layout)


def _stamps(reader: RowReader, options: ReadOptions) -> tuple[IntArray, StampLayout]:
    texts = reader.texts(0)
    layout = options.stamp_layout or _layout(reader, texts)
    return read_stamps(reader, texts, layout), layout


def _layout(reader: RowReader, texts: pl.Series) -> StampLayout:
    """The export writes day first; JForex writes the year first."""
    if (found := re.match(r"(\d+)\.", texts[0] or "")) and len(found[1]) == 2:
        return StampLayout("%d.%m.%Y %H:%M:%S%.f" + (" GMT%z" if "GMT" in texts[0] else ""), "GMT" in texts[0])
    return layout_of_stamps(reader, texts)


def _named(rows: VendorRows, table: TextTable, layout: StampLayout) -> VendorRows:
    """With the clock that the first column's name states, and the symbol that the file's name does."""
    if layout.is_utc:
        return replace(rows, symbol=_symbol(table), clock=UTC, absolute=True)
    name = table.names[0]
    clock = parse_clock("EET") if "eet" in name else None if name == "local time" else UTC
    return replace(rows, symbol=_symbol(table), clock=clock)


def _symbol(table: TextTable) -> str | None:
    match = _NAME.fullmatch(table.source.stem)
    return match[1] if match else None


DUKASCOPY = VendorFormat("dukascopy", "Dukascopy candles", _fits_candles, _read_candles, one_sided=True)
"""Clock: GMT, or as the first column says. Stamp: open. One side a file, in its name. Volume: as quoted."""

DUKASCOPY_TICKS = VendorFormat("dukascopy-ticks", "Dukascopy ticks", _fits_ticks, _read_ticks)
"""Clock: GMT, or as the first column says. Becomes bars of one minute."""
