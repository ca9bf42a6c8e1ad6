"""The columns of a file of windows that anyone may have written, refused with the row that is wrong."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from agv2.core.arrays import Float32Array, FloatArray, IntArray
from agv2.core.errors import DataError
from agv2.data.price_action.window_columns import RowColumns

__all__ = ["ColumnReader", "Shape", "is_list"]

_NS_PER_UNIT = {"ms": 1_000_000, "us": 1_000, "ns": 1}
_LATEST_NS = 2**63 - 1


class Shape(NamedTuple):
    """Of every row of the column `features`."""

    window: int
    n_features: int


def is_list(dtype: pl.DataType) -> bool:
    """Whether each row of such a column is a list of numbers."""
    return isinstance(dtype, (pl.Array, pl.List)) and dtype.inner.is_numeric()


class ColumnReader(NamedTuple):
    """Makes arrays of the columns of one file."""

    path: Path
    shape: Shape
    list_lengths: Mapping[str, int]
    """Of `sr_heatmap` and `future_returns`, where the file has them."""
    n_classes: Mapping[str, int]

    def features(self, column: pl.Series, first_row: int) -> Float32Array:
        """(n, window, n_features) finite windows.

        Raises:
            DataError: names the row that is null, of another length or not finite.
        """
        width = self.shape.window * self.shape.n_features
        flat = self._lists(column, width, first_row, pl.Float32)
        finite = np.isfinite(flat).all(axis=1)
        if not finite.all():
            row = int(np.argmin(finite))
            bar, feature = divmod(int(np.argmin(np.isfinite(flat[row]))), self.shape.n_features)
            raise self._error(
                first_row + row,
                f"feature {feature} of bar {bar} of the window is {flat[row, bar * self.shape.n_features + feature]}, "
                "expected a finite number; fill it or leave the window out",
            )
        windows: Float32Array = flat.reshape(-1, *self.shape)
        return windows

    def others(self, frame: pl.DataFrame, first_row: int) -> RowColumns:
        """Everything but the windows.

        Raises:
            DataError: names the row whose stamp, symbol or label cannot be.
        """
        found: dict[str, Any] = {}
        for name in frame.columns:
            column = frame[name]
            if name == "ts":
                found["ts_ns"] = self._stamps(column, first_row)
            elif name == "symbol":
                self._require_no_null(column, first_row)
                found[name] = np.array(column.cast(pl.String).to_list(), dtype=np.str_)
            elif name == "sigma":
                found[name] = self._sigmas(column, first_row)
            elif name in ("regime_label", "pattern_label"):
                found[name] = self._classes(name, self._numbers(column, first_row), first_row)
            elif name in self.list_lengths:
                found[name] = self._label_lists(column, first_row)
        return RowColumns(**found)

    def _stamps(self, column: pl.Series, first_row: int) -> IntArray:
        dtype = column.dtype
        if not isinstance(dtype, pl.Datetime):
            raise DataError(f"{self.path}: column ts is {dtype}, expected timestamps of the last bars' opens, UTC")
        self._require_no_null(column, first_row)
        counts: IntArray = column.to_physical().cast(pl.Int64).to_numpy()
        ns_per_unit = _NS_PER_UNIT[dtype.time_unit]
        beyond = np.abs(counts) > _LATEST_NS // ns_per_unit
        if beyond.any():
            raise self._error(first_row + int(np.argmax(beyond)), "ts lies before 1678 or after 2261")
        return counts * ns_per_unit

    def _sigmas(self, column: pl.Series, first_row: int) -> FloatArray:
        sigmas = self._numbers(column, first_row)
        wrong = (sigmas <= 0.0) | np.isinf(sigmas)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise self._error(first_row + row, f"sigma is {sigmas[row]:g}, expected a number above zero, or null")
        return sigmas

    def _label_lists(self, column: pl.Series, first_row: int) -> IntArray | FloatArray | Float32Array:
        is_classes = column.name == "sr_heatmap" and column.dtype.inner.is_integer()  # type: ignore[attr-defined]
        values = self._lists(column, self.list_lengths[column.name], first_row, pl.Float32, unknown=True)
        if is_classes:
            return self._classes(column.name, values.astype(np.float64), first_row)
        infinite = np.isinf(values).any(axis=1)
        if infinite.any():
            raise self._error(first_row + int(np.argmax(infinite)), f"{column.name} holds an infinite number")
        numbers: Float32Array = values
        return numbers

    def _classes(self, name: str, values: FloatArray, first_row: int) -> IntArray:
        """Class numbers, -1 where null or NaN; whole numbers kept as floats, as pandas does beside nulls, are taken."""
        known = np.where(np.isnan(values), -1.0, values)
        n_classes = self.n_classes[name]
        wrong = ~np.isin(known, np.arange(-1, n_classes))
        if wrong.any():
            place = int(np.argmax(wrong))
            row = first_row + place // (known.size // len(known))
            raise self._error(
                row,
                f"{name} is {known.flat[place]:g}, expected a whole number from 0 to {n_classes - 1}, or -1 or null "
                "where it is unknown",
            )
        classes: IntArray = known.astype(np.int64)
        return classes

    def _numbers(self, column: pl.Series, first_row: int) -> FloatArray:
        if not column.dtype.is_numeric():
            raise DataError(f"{self.path}: column {column.name} is {column.dtype}, expected numbers")
        numbers: FloatArray = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
        return numbers

    def _lists(
        self, column: pl.Series, length: int, first_row: int, kind: type[pl.DataType], *, unknown: bool = False
    ) -> Any:
        """(n, length) floats; nulls become NaN, and so do rows that are null where they may be `unknown`."""
        if isinstance(column.dtype, pl.List):
            lengths = column.list.len()
            odd = lengths.ne_missing(length).to_numpy() & (lengths.is_not_null() | (not unknown)).to_numpy()
            if odd.any():
                row = int(np.argmax(odd))
                found = "null" if lengths[row] is None else f"a list of {lengths[row]:,}"
                raise self._error(first_row + row, f"{column.name} is {found}, expected a list of {length:,}")
            column = column.list.to_array(length)
        nulls = column.is_null()
        if nulls.any():
            if not unknown:
                raise self._error(first_row + int(nulls.arg_max() or 0), f"{column.name} is null")
            blank = pl.Series([[None] * length], dtype=column.dtype)
            column = column.zip_with(~nulls, blank.new_from_index(0, len(column)))
        flat = column.explode(empty_as_null=True).cast(kind).fill_null(np.nan)
        return flat.to_numpy().reshape(len(column), length)

    def _require_no_null(self, column: pl.Series, first_row: int) -> None:
        nulls = column.is_null()
        if nulls.any():
            raise self._error(first_row + int(nulls.arg_max() or 0), f"{column.name} is null")

    def _error(self, row: int, problem: str) -> DataError:
        return DataError(f"{self.path}: row {row}: {problem}")
