"""The formats that are known, and the one that a file is in."""

from agv2.core.errors import ConfigError, DataError
from agv2.data.importers.binance import BINANCE
from agv2.data.importers.bitfinex import BITFINEX
from agv2.data.importers.dukascopy import DUKASCOPY, DUKASCOPY_TICKS
from agv2.data.importers.fxcm import FXCM
from agv2.data.importers.histdata import HISTDATA, HISTDATA_TICKS
from agv2.data.importers.mapped_csv import MAPPED_CSV, suggested_map
from agv2.data.importers.mt4 import MT4
from agv2.data.importers.mt5 import MT5
from agv2.data.importers.own_parquet import read_own_parquet
from agv2.data.importers.source_file import SourceFile
from agv2.data.importers.text_table import TextTable, lay_out, quoted
from agv2.data.importers.us_equity import US_EQUITY
from agv2.data.importers.vendor_rows import ReadOptions, VendorFormat, VendorRows

__all__ = ["FORMATS", "PARQUET", "format_named", "read_vendor_rows"]

PARQUET = VendorFormat("parquet", "AGV2 Parquet", lambda _: False, lambda table, _: read_own_parquet(table.source))

FORMATS = (
    MT4, MT5, DUKASCOPY, DUKASCOPY_TICKS, HISTDATA, HISTDATA_TICKS, BINANCE, BITFINEX, FXCM, US_EQUITY,
)  # fmt: skip
"""Every format that is recognised by its content, besides Parquet."""


def format_named(name: str) -> VendorFormat:
    """The format that `--format` names.

    Raises:
        ConfigError: there is none of that name.
    """
    known = {each.name: each for each in (PARQUET, *FORMATS, MAPPED_CSV)}
    if name not in known:
        raise ConfigError(f"--format {name}: unknown; known are {', '.join(known)}")
    return known[name]


def read_vendor_rows(
    source: SourceFile, stated: VendorFormat | None, options: ReadOptions
) -> tuple[VendorFormat, VendorRows]:
    """The rows of a file, and the format they were in.

    Args:
        source: the file.
        stated: the format that it must have; None: told from the content, where exactly one must fit.
        options: what the user said.

    Raises:
        DataError: no format fits, or not the stated one, or more than one; or the rows cannot be read.
    """
    if source.is_parquet:
        if stated not in (None, PARQUET):
            raise DataError(f"{source.path}: this is Parquet; leave --format and --map out")
        return PARQUET, read_own_parquet(source)
    if stated is PARQUET:
        raise DataError(f"{source.path}: this is no Parquet; leave --format out to have its content looked at")
    table = lay_out(source)
    found = _found(table, stated, bool(options.columns))
    return found, found.read(table, options)


def _found(table: TextTable, stated: VendorFormat | None, mapped: bool) -> VendorFormat:
    if mapped and stated in (None, MAPPED_CSV):
        return MAPPED_CSV
    fitting = [each for each in FORMATS if each.fits(table)]
    shown = f"the first line is {quoted(table.first_line)}"
    if stated is not None:
        if stated not in fitting:
            others = ", ".join(each.name for each in fitting) or "none that is known"
            need = f"; it needs --map {suggested_map(table)}" if stated is MAPPED_CSV else f" (its own: {others})"
            raise DataError(f"{table.path}: is not in the format {stated.name}: {shown}{need}")
        return stated
    if not fitting:
        raise DataError(
            f"{table.path}: in no format that is known: {shown}; say what its columns are: --map {suggested_map(table)}"
        )
    if len(fitting) > 1:
        names = " and ".join(each.name for each in fitting)
        raise DataError(f"{table.path}: the formats {names} both fit: {shown}; say which with --format")
    if doubt := fitting[0].doubt(table):
        raise DataError(f"{table.path}: {doubt} ({shown})")
    return fitting[0]
