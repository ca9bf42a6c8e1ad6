"""Binance klines: twelve columns, or JSON arrays of them, stamped in milliseconds or, of late, microseconds."""

import re
from dataclasses import replace

import numpy as np

from agv2.core.errors import DataError
from agv2.data.importers.clocks import UTC
from agv2.data.importers.stamp_text import StampLayout, read_stamps
from agv2.data.importers.text_table import RowReader, TextTable
from agv2.data.importers.vendor_rows import ReadOptions, VendorFormat, VendorRows, priced_rows

__all__ = ["BINANCE"]

_NAME = re.compile(r"([A-Z0-9_]+)-\d{1,2}(?:s|m|h|d|w|mo)-\d{4}-\d{2}(?:-\d{2})?")
_MINUTE_NS = 60_000_000_000


def _fits(table: TextTable) -> bool:
    named = table.header is None or table.names[0].replace(" ", "_") == "open_time"
    stamped = any(all(table.column_matches(i, rf"\d{{{digits}}}") for i in (0, 6)) for digits in (13, 16))
    return table.n_columns == 12 and named and stamped and table.numeric(range(1, 12))


def _read(table: TextTable, options: ReadOptions) -> VendorRows:
    reader = RowReader(table, options.allowed_bad)
    layout = StampLayout("epoch_us" if table.column_matches(0, r"\d{16}") else "epoch_ms", is_utc=True)
    opens, closes = (read_stamps(reader, reader.texts(column), layout) for column in (0, 6))
    lengths, counts = np.unique(np.rint((closes - opens) / _MINUTE_NS), return_counts=True)
    minutes = int(lengths[np.argmax(counts)])
    reader.reject(np.rint((closes - opens) / _MINUTE_NS) > minutes, f"the bar is longer than {minutes} minutes")
    rows = priced_rows(reader, opens, (1, 2, 3, 4), 5)
    if minutes < 1:
        raise DataError(f"{table.path}: bars of less than a minute; import bars of 1m or more")
    match = _NAME.fullmatch(table.source.stem)
    return replace(
        rows, clock=UTC, absolute=True, price_side="trade", minutes=minutes, symbol=match[1] if match else None
    )


BINANCE = VendorFormat("binance", "Binance klines", _fits, _read)
"""Clock: UTC, in milliseconds or microseconds. Stamp: open. Prices: trades. Volume: base units."""
