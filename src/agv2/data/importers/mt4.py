"""MetaTrader 4, History Center export: `2025.01.02,01:00,o,h,l,c,volume`, no header.

HistData's "MetaTrader" files have the same layout; their names say that their clock is EST.
"""

import re
from dataclasses import replace

from agv2.data.importers.clocks import EST
from agv2.data.importers.stamp_text import StampLayout, read_stamps
from agv2.data.importers.text_table import RowReader, TextTable
from agv2.data.importers.vendor_rows import ReadOptions, VendorFormat, VendorRows, priced_rows

__all__ = ["MT4"]

_NAME = re.compile(r"([A-Za-z0-9.#&+!-]*?[A-Za-z.#&+!-])(?:1|5|15|30|60|240|1440|10080|43200)")
_HISTDATA_NAME = re.compile(r"DAT_MT_([A-Za-z0-9]+)_M1_\d{4,6}")


def _fits(table: TextTable) -> bool:
    return (
        table.header is None
        and table.n_columns == 7
        and table.column_matches(0, r"\d{4}\.\d{2}\.\d{2}")
        and table.column_matches(1, r"\d{2}:\d{2}")
        and table.numeric(range(2, 7))
    )


def _read(table: TextTable, options: ReadOptions) -> VendorRows:
    reader = RowReader(table, options.allowed_bad)
    stamps = read_stamps(reader, reader.texts(0) + " " + reader.texts(1), StampLayout("%Y.%m.%d %H:%M", is_utc=False))
    rows = replace(priced_rows(reader, stamps, (2, 3, 4, 5), 6), price_side="bid")
    if match := _HISTDATA_NAME.fullmatch(table.source.stem):
        return replace(rows, symbol=match[1], clock=EST)
    match = _NAME.fullmatch(table.source.stem)
    return replace(rows, symbol=match[1] if match else None)


MT4 = VendorFormat("mt4", "MetaTrader 4 export", _fits, _read)
"""Clock: the broker's server, to be found or stated. Stamp: open. Prices: bid. Volume: ticks."""
