"""US shares by the minute, as desktop platforms export them: `Date, Time, Open, High, Low, Close, Volume`."""

from dataclasses import replace

from agv2.data.importers.stamp_text import layout_of_stamps, read_stamps
from agv2.data.importers.text_table import RowReader, TextTable
from agv2.data.importers.vendor_rows import ReadOptions, VendorFormat, VendorRows, priced_rows

__all__ = ["US_EQUITY"]


def _fits(table: TextTable) -> bool:
    return (
        table.names == ("date", "time", "open", "high", "low", "close", "volume")
        and table.column_matches(0, r"\d{1,2}/\d{1,2}/\d{4}")
        and table.column_matches(1, r"\d{1,2}:\d{2}(:\d{2})?")
    )


def _read(table: TextTable, options: ReadOptions) -> VendorRows:
    reader = RowReader(table, options.allowed_bad)
    texts = reader.texts(0) + " " + reader.texts(1)
    stamps = read_stamps(reader, texts, options.stamp_layout or layout_of_stamps(reader, texts))
    return replace(priced_rows(reader, stamps, (2, 3, 4, 5), 6), stamps=None, price_side="trade")


US_EQUITY = VendorFormat("us-equity", "US equity minutes", _fits, _read)
"""Clock and stamp: to be found in the bars (the cash session shows them) or stated. Prices: trades."""
