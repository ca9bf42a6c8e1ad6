"""Rows of a file of windows, as arrays and as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from agv2.core.arrays import BoolArray, Float32Array, FloatArray, IntArray
from agv2.core.errors import ShapeError

__all__ = ["CLASSES", "RowColumns", "WindowBatch", "frame_of_batch"]

CLASSES: Mapping[str, int] = {"regime_label": 3, "sr_heatmap": 3, "pattern_label": 3}
"""Columns that hold class numbers, and how many classes there are unless the header says otherwise."""


@dataclass(frozen=True, slots=True)
class RowColumns:
    """What each row says beside its window; None where there is no such column."""

    ts_ns: IntArray | None = None
    """(n,) open of each window's last bar, nanoseconds UTC."""
    symbol: NDArray[np.str_] | None = None
    """(n,)"""
    sigma: FloatArray | None = None
    """(n,) volatility of one bar's log return at the last bar, the unit of `future_returns`; NaN where unknown."""
    regime_label: IntArray | None = None
    """(n,) class numbers, -1 where unknown."""
    sr_heatmap: IntArray | FloatArray | None = None
    """(n, n_bands) class numbers, -1 where unknown; or numbers of another meaning, NaN where unknown."""
    future_returns: Float32Array | None = None
    """(n, n_horizons) log returns ahead, in sigma × √horizon; NaN where unknown."""
    pattern_label: IntArray | None = None
    """(n,) class numbers, -1 where unknown."""

    def present(self) -> dict[str, Any]:
        """Field name → values, of the columns there are."""
        return {each.name: getattr(self, each.name) for each in fields(self) if getattr(self, each.name) is not None}

    @classmethod
    def joined(cls, parts: "Sequence[RowColumns]") -> "RowColumns":
        """Rows one after the other; every part has the same columns."""
        whole: dict[str, Any] = {}
        for name in parts[0].present() if parts else ():
            whole[name] = np.concatenate([getattr(part, name) for part in parts])
        return cls(**whole)

    def rows(self, chosen: IntArray) -> "RowColumns":
        """The rows that a index names."""
        return RowColumns(**{name: values[chosen] for name, values in self.present().items()})


@dataclass(frozen=True, slots=True)
class WindowBatch:
    """Rows that follow one another in a file.

    Raises:
        ShapeError: a column has another number of rows than `features`.
    """

    features: Float32Array
    """(n, window, n_features), finite."""
    columns: RowColumns
    first_row: int = 0
    """Row of the file, from 0."""

    def __post_init__(self) -> None:
        for name, values in self.columns.present().items():
            if len(values) != len(self.features):
                raise ShapeError(f"{name} has {len(values)} rows, features {len(self.features)}")

    def __len__(self) -> int:
        return len(self.features)


def frame_of_batch(batch: WindowBatch) -> pl.DataFrame:
    """The batch as the file has it: `ts` in microseconds UTC, one row a window, null where something is unknown."""
    about = batch.columns
    columns: dict[str, pl.Series] = {}
    if about.ts_ns is not None:
        columns["ts"] = pl.Series((about.ts_ns // 1000).astype("datetime64[us]")).dt.replace_time_zone("UTC")
    if about.symbol is not None:
        columns["symbol"] = pl.Series(about.symbol.tolist(), dtype=pl.String)
    if about.sigma is not None:
        columns["sigma"] = pl.Series(about.sigma, dtype=pl.Float64, nan_to_null=True)
    flat = np.ascontiguousarray(batch.features, dtype=np.float32).reshape(len(batch), -1)
    columns["features"] = pl.Series(flat, dtype=pl.Array(pl.Float32, flat.shape[1]))
    for name in ("regime_label", "pattern_label"):
        if (labels := getattr(about, name)) is not None:
            columns[name] = _known(pl.Series(labels), labels >= 0).cast(pl.Int8)
    for name in ("sr_heatmap", "future_returns"):
        if (lists := getattr(about, name)) is not None:
            whole = lists.dtype.kind == "i"
            flat = lists.reshape(-1)
            known = _known(pl.Series(flat), flat >= 0 if whole else ~np.isnan(flat))
            kind = pl.Int8 if whole else pl.Float32
            columns[name] = known.cast(kind).reshape(lists.shape).cast(pl.Array(kind, lists.shape[1]))
    return pl.DataFrame(columns)


def _known(values: pl.Series, known: BoolArray) -> pl.Series:
    """`values`, null where not known."""
    return values.set(pl.Series(~known), None)
