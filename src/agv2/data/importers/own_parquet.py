"""Our own Parquet, which says all there is to say."""

import io
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl

from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.data.importers.clocks import UTC
from agv2.data.importers.source_file import SourceFile
from agv2.data.importers.vendor_rows import PriceSide, VendorRows
from agv2.data.parquet_columns import frame_of_columns, read_columns
from agv2.data.quality.price_rules import price_problem
from agv2.data.store.durable_files import replace_by_parquet

__all__ = ["read_own_parquet", "write_own_parquet"]


def read_own_parquet(source: SourceFile) -> VendorRows:
    """Rows of a Parquet file with the columns that AGV2 writes; a negative spread stays as it is.

    Raises:
        DataError: the file is damaged or lacks a column, or a value cannot be used.
    """
    symbol = source.stem.partition("_")[0]
    try:
        raw = read_columns(source.path, source.content, symbol)
        metadata = pl.read_parquet_metadata(io.BytesIO(source.content))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        problem = str(error).splitlines()[0]
        raise DataError(f"{source.path}: the Parquet is damaged ({problem}); export it again") from error
    if problem_at := price_problem(raw):
        raise DataError(f"{source.path}: row {problem_at[0]}: {problem_at[1]}; correct or remove the row")
    sides: tuple[PriceSide, ...] = get_args(PriceSide)
    return VendorRows(
        path=source.path,
        lines=np.arange(len(raw)),
        stamp_ns=raw.ts_ns,
        open=raw.open,
        high=raw.high,
        low=raw.low,
        close=raw.close,
        volume=np.where(np.isfinite(raw.volume) & (raw.volume >= 0.0), raw.volume, np.nan),
        spread=np.where(np.isfinite(raw.spread), raw.spread, np.nan),
        clock=UTC,
        absolute=True,
        price_side=next((side for side in sides if side == metadata.get("price_side")), None),
        symbol=symbol or None,
        counted="row",
        notes=raw.notes,
    )


def write_own_parquet(bars: Bars, path: Path, *, price_side: str | None, source: str) -> None:
    """Write `bars` as the Parquet that `read_bars` reads, with their price side and source in the file's metadata.

    The file appears under its name only when it is complete.
    """
    metadata = {"source": source} | ({"price_side": price_side} if price_side else {})
    replace_by_parquet(path, frame_of_columns(bars), metadata=metadata)
