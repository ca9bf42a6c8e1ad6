"""HistData, generic ASCII: bars of one minute `20120201 000000;o;h;l;c;v` and ticks `20120201 000000123,bid,ask,v`."""

import re
from dataclasses import replace

import numpy as np

from agv2.data.importers.clocks import EST
from agv2.data.importers.stamp_text import StampLayout, read_stamps
from agv2.data.importers.text_table import RowReader, TextTable
from agv2.data.importers.vendor_rows import ReadOptions, VendorFormat, VendorRows, priced_rows, quoted_rows

__all__ = ["HISTDATA", "HISTDATA_TICKS"]

_NAME = re.compile(r"DAT_(?:ASCII|XLSX?|NT)_([A-Za-z0-9]+)_(?:M1|T)(?:_(?:BID|ASK|LAST))?_\d{4,6}")


def _fits_bars(table: TextTable) -> bool:
    return (
        table.header is None
        and table.n_columns == 6
        and table.column_matches(0, r"\d{8} \d{6}")
        and table.numeric(range(1, 6))
    )


def _fits_ticks(table: TextTable) -> bool:
    return (
        table.header is None
        and table.n_columns == 4
        and table.column_matches(0, r"\d{8} \d{9}")
        and table.numeric(range(1, 4))
    )


def _read_bars(table: TextTable, options: ReadOptions) -> VendorRows:
    reader = RowReader(table, options.allowed_bad)
    stamps = read_stamps(reader, reader.texts(0), StampLayout("%Y%m%d %H%M%S", is_utc=False))
    rows = priced_rows(reader, stamps, (1, 2, 3, 4), 5)
    notes = rows.notes
    if not np.any(rows.volume):
        rows = replace(rows, volume=np.full(rows.volume.size, np.nan))
        notes = (*notes, "volume is 0 throughout: taken as unknown")
    return replace(rows, clock=EST, price_side="bid", symbol=_symbol(table), notes=notes)


def _read_ticks(table: TextTable, options: ReadOptions) -> VendorRows:
    reader = RowReader(table, options.allowed_bad)
    stamps = read_stamps(reader, reader.texts(0), StampLayout("%Y%m%d %H%M%S%3f", is_utc=False))
    return replace(quoted_rows(reader, stamps, bid=1, ask=2), clock=EST, symbol=_symbol(table))


def _symbol(table: TextTable) -> str | None:
    match = _NAME.fullmatch(table.source.stem)
    return match[1] if match else None


HISTDATA = VendorFormat("histdata", "HistData bars", _fits_bars, _read_bars)
"""Clock: EST without summer time. Stamp: open. Prices: bid. Volume: usually 0, which is unknown."""

HISTDATA_TICKS = VendorFormat("histdata-ticks", "HistData ticks", _fits_ticks, _read_ticks)
"""Clock: EST without summer time. Becomes bars of one minute."""
