"""FXCM candles, one file a side: header `timestamp,open,high,low,close`, ISO stamps with their offset, no volume."""

from dataclasses import replace

from agv2.data.importers.clocks import UTC
from agv2.data.importers.dukascopy import side_in_name
from agv2.data.importers.stamp_text import layout_of_stamps, read_stamps
from agv2.data.importers.text_table import RowReader, TextTable
from agv2.data.importers.vendor_rows import ReadOptions, VendorFormat, VendorRows, priced_rows

__all__ = ["FXCM"]

_ISO = r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(?:\.\d+)? ?(?:[+-]\d{2}:?\d{2}|Z)"


def _fits(table: TextTable) -> bool:
    return table.names == ("timestamp", "open", "high", "low", "close") and table.column_matches(0, _ISO)


def _read(table: TextTable, options: ReadOptions) -> VendorRows:
    reader = RowReader(table, options.allowed_bad)
    texts = reader.texts(0)
    stamps = read_stamps(reader, texts, layout_of_stamps(reader, texts))
    rows = priced_rows(reader, stamps, (1, 2, 3, 4), None)
    return replace(rows, clock=UTC, absolute=True, price_side=side_in_name(table.source.stem))


FXCM = VendorFormat("fxcm", "FXCM candles", _fits, _read, one_sided=True)
"""Clock: UTC. Stamp: open. One side a file, in its name; two files give the spread."""
