"""MetaTrader 5, "Export bars": header `<DATE> <TIME> <OPEN> …`, tabs, spread in points."""

import re
from dataclasses import replace

import polars as pl

from agv2.core.errors import DataError
from agv2.data.importers.stamp_text import StampLayout, read_stamps
from agv2.data.importers.text_table import RowReader, TextTable, quoted
from agv2.data.importers.vendor_rows import ReadOptions, VendorFormat, VendorRows, priced_rows

__all__ = ["MT5"]

_NAME = re.compile(r"([A-Za-z0-9.#&+!-]+)_(?:M\d{1,2}|H\d{1,2}|Daily|Weekly|Monthly|D1|W1|MN1)(?:_\d{4,12}){0,2}")
_PRICES = ("<open>", "<high>", "<low>", "<close>")


def _fits(table: TextTable) -> bool:
    return "<date>" in table.names and all(name in table.names for name in _PRICES)


def _read(table: TextTable, options: ReadOptions) -> VendorRows:
    place = {name: i for i, name in enumerate(table.names)}
    if len(place) < len(table.names):
        raise DataError(f"{table.path}: a column name stands twice in {quoted(table.first_line)}; export it again")
    reader = RowReader(table, options.allowed_bad)
    stamps = reader.texts(place["<date>"])
    pattern = "%Y.%m.%d"
    if "<time>" in place:  # daily bars have none
        stamps = stamps + " " + reader.texts(place["<time>"])
        pattern += " %H:%M:%S" if table.column_matches(place["<time>"], r"\d{1,2}:\d{2}:\d{2}") else " %H:%M"
    ns = read_stamps(reader, stamps, StampLayout(pattern, is_utc=False))
    ohlc = (place["<open>"], place["<high>"], place["<low>"], place["<close>"])
    points = None
    if "<spread>" in place:
        points = reader.numbers(place["<spread>"], "spread", optional=True)
    rows = priced_rows(reader, ns, ohlc, place.get("<tickvol>", place.get("<vol>")))
    match = _NAME.fullmatch(table.source.stem)
    rows = replace(rows, price_side="bid", symbol=match[1] if match else None)
    if points is None:
        return rows
    keep = reader.rows_on(rows.lines)
    decimals = _decimals([reader.texts(column) for column in ohlc])
    point = options.point or 10.0**-decimals
    basis = "stated" if options.point else f"prices have {decimals} decimals"
    return replace(
        rows,
        # Divided by a whole number where that is exact, so that 43 points of 0.01 are 0.43.
        spread=points[keep] * point if options.point else points[keep] / 10.0**decimals,
        notes=(*rows.notes, f"spread is in points of {point:g} ({basis})"),
    )


def _decimals(prices: list[pl.Series]) -> int:
    """Most digits behind the decimal mark."""
    most = 0
    for texts in prices:
        longest = texts.str.extract(r"[.,](\d+)$").str.len_bytes().max()
        most = max(most, longest if isinstance(longest, int) else 0)
    return most


MT5 = VendorFormat("mt5", "MetaTrader 5 export", _fits, _read)
"""Clock: the broker's server, to be found or stated. Stamp: open. Prices: bid. Volume: ticks."""
