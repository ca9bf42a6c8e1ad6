"""`saliency.parquet`: of each entry of a run, what it came from."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from agv2.backtest.atomic_files import write_atomically
from agv2.backtest.erasure import GroupedErasure, stretch_names
from agv2.backtest.input_shares import InputShares
from agv2.core.arrays import FloatArray
from agv2.core.errors import DataError

__all__ = ["EntrySaliency", "join_saliency", "read_saliency", "saliency_frame", "write_saliency"]

_COLUMNS = (
    "fold", "symbol", "ts", "side", "log_odds", "baseline_log_odds", "gap", "bars", "bar_sizes", "features",
    "feature_sizes", "state", "families_erased", "stretches_erased",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EntrySaliency:
    """What the decision to enter came from."""

    fold: int
    symbol: str
    ts_ns: int
    """Open of the bar at whose close it was decided."""
    side: int
    attribution: InputShares
    erased: GroupedErasure


def saliency_frame(
    entries: Sequence[EntrySaliency],
    features: Sequence[str],
    state: Sequence[str],
    families: Sequence[str],
    window: int,
) -> pl.DataFrame:
    """The table, one row an entry, as docs/run_directory.md lays it out.

    Args:
        entries: in the order of the rows.
        features: names of the columns of the window.
        state: names of the numbers of the book.
        families: names of the kinds of features that were erased.
        window: bars of it.
    """
    of_features = _struct(features)
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "fold": pl.Int64,
        "symbol": pl.String,
        "ts": pl.Datetime("us", "UTC"),
        "side": pl.Int8,
        "log_odds": pl.Float64,
        "baseline_log_odds": pl.Float64,
        "gap": pl.Float64,
        "bars": pl.List(pl.Float32),
        "bar_sizes": pl.List(pl.Float32),
        "features": of_features,
        "feature_sizes": of_features,
        "state": _struct(state),
        "families_erased": _struct([*families, "state"]),
        "stretches_erased": _struct(stretch_names(window)),
    }
    rows = []
    for one in entries:
        shares, sizes = one.attribution.window, np.abs(one.attribution.window)
        rows.append(
            {
                "fold": one.fold,
                "symbol": one.symbol,
                "ts": one.ts_ns // 1000,
                "side": one.side,
                "log_odds": one.attribution.log_odds,
                "baseline_log_odds": one.attribution.baseline,
                "gap": one.attribution.gap,
                "bars": shares.sum(axis=1).tolist(),
                "bar_sizes": sizes.sum(axis=1).tolist(),
                "features": _named(features, shares.sum(axis=0)),
                "feature_sizes": _named(features, sizes.sum(axis=0)),
                "state": _named(state, one.attribution.state),
                "families_erased": {**one.erased.by_family, "state": one.erased.state},
                "stretches_erased": one.erased.by_stretch,
            }
        )
    return pl.DataFrame({name: [row[name] for row in rows] for name in _COLUMNS}, schema=schema)


def join_saliency(folds: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """One table of all folds, those without an entry excepted unless all are."""
    return pl.concat([one for one in folds if one.height] or folds[:1])


def write_saliency(frame: pl.DataFrame, path: Path) -> None:
    """Write the table, whole or not at all."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    write_atomically(path, buffer.getvalue())


def read_saliency(path: Path) -> pl.DataFrame:
    """Read what `write_saliency` wrote.

    Raises:
        DataError: it cannot be read, or is another table.
    """
    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: not readable as Parquet ({str(error).splitlines()[0]}); run again") from None
    absent = [name for name in _COLUMNS if name not in frame.columns]
    if absent:
        raise DataError(f"{path}: no column {', '.join(absent)}; run again")
    return frame


def _struct(names: Sequence[str]) -> pl.Struct:
    return pl.Struct([pl.Field(name, pl.Float32) for name in names])


def _named(names: Sequence[str], values: FloatArray) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))
