"""Bitfinex candles: stamp, open, CLOSE, HIGH, LOW, volume without a header, or JSON arrays of them."""

from dataclasses import replace

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.data.importers.clocks import UTC
from agv2.data.importers.stamp_text import StampLayout, read_stamps
from agv2.data.importers.text_table import RowReader, TextTable
from agv2.data.importers.vendor_rows import ReadOptions, VendorFormat, VendorRows, priced_rows

__all__ = ["BITFINEX"]


def _fits(table: TextTable) -> bool:
    """Six columns could also be open, high, low, close: the highest and the lowest tell which is meant."""
    if table.header is not None or table.n_columns != 6 or not table.column_matches(0, r"\d{13}"):
        return False
    if not table.numeric(range(1, 6)):
        return False
    ours, usual = _orders(table)
    return ours >= usual and ours > 0.5


def _doubt(table: TextTable) -> str | None:
    ours, usual = _orders(table)
    if ours > usual:
        return None
    return (
        "open, CLOSE, HIGH, LOW (Bitfinex) and open, high, low, close fit alike; say --format bitfinex or "
        "--map ts=1,open=2,high=3,low=4,close=5,volume=6"
    )


def _orders(table: TextTable) -> tuple[float, float]:
    """How well Bitfinex's order of prices fits, and the usual one."""
    return _shares(table, (3, 4, 1, 2)), _shares(table, (2, 3, 1, 4))


def _shares(table: TextTable, columns: tuple[int, int, int, int]) -> float:
    """Share of sampled rows in which the first two of `columns` are the highest and the lowest price."""
    prices = _sampled_prices(table)
    if not prices.size:
        return 0.0
    high, low, one, other = (prices[:, column - 1] for column in columns)
    return float(np.mean((high >= np.maximum(one, other)) & (low <= np.minimum(one, other)) & (high >= low)))


def _sampled_prices(table: TextTable) -> FloatArray:
    rows = []
    for row in table.sample:
        try:
            rows.append([float(value.replace(",", ".")) for value in row[1:5]])
        except ValueError:
            continue
    return np.array([row for row in rows if len(row) == 4], dtype=np.float64)


def _read(table: TextTable, options: ReadOptions) -> VendorRows:
    reader = RowReader(table, options.allowed_bad)
    opens = read_stamps(reader, reader.texts(0), StampLayout("epoch_ms", is_utc=True))
    rows = priced_rows(reader, opens, (1, 3, 4, 2), 5)  # open, CLOSE, HIGH, LOW
    return replace(rows, clock=UTC, absolute=True, price_side="trade")


BITFINEX = VendorFormat("bitfinex", "Bitfinex candles", _fits, _read, doubt=_doubt)
"""Clock: UTC, in milliseconds. Stamp: open. Prices: trades. Volume: base units."""
