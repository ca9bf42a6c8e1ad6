"""Windows of features with their labels, in one Parquet file that any tool can write and read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from agv2.core.arrays import Float32Array, IntArray
from agv2.core.errors import DataError
from agv2.data.price_action.column_checks import ColumnReader, Shape, is_list
from agv2.data.price_action.window_columns import CLASSES, RowColumns, WindowBatch
from agv2.data.price_action.window_header import WindowHeader
from agv2.data.price_action.window_writer import file_sizes

__all__ = ["WindowDataset", "WindowSeries", "read_windows"]

_FEATURES = "features"
_LISTS = ("sr_heatmap", "future_returns")
_OTHERS = ("ts", "symbol", "sigma", "regime_label", "sr_heatmap", "future_returns", "pattern_label")
_REMEDY = "write one row a window with the list of floats in a column `features`"


@dataclass(frozen=True, slots=True)
class WindowSeries:
    """The one feature matrix that overlapping windows were cut from."""

    features: Float32Array
    """(n_bars, n_features), the bars of all windows, each once."""
    columns: RowColumns
    """(n_rows,) of the last bar of each window."""
    last_bars: IntArray
    """(n_rows,) row of `features` that each window's last bar is: the stride apart, the last one the last of all."""


@dataclass(frozen=True, slots=True)
class WindowDataset:
    """A file of windows; its rows are read when they are asked for."""

    path: Path
    n: int
    """Rows, a window each."""
    window: int
    """Bars in each window."""
    n_features: int
    feature_names: tuple[str, ...]
    header: WindowHeader | None
    """None in a file of another tool."""
    column_names: tuple[str, ...]
    """Those that are read, `features` among them."""
    list_lengths: tuple[tuple[str, int], ...]
    """Length of each row's list in `sr_heatmap` and `future_returns`, where they are."""

    def batches(self, rows: int | None = None) -> Iterator[WindowBatch]:
        """Every row in order, a batch at a time; never the whole file in memory, but whole groups of its rows.

        Args:
            rows: windows in each batch, >= 1, fewer where a group of rows ends; None: some 30 MB.

        Raises:
            DataError: a row cannot be used; names it.
            ValueError: `rows` is less than 1.
        """
        if rows is not None and rows < 1:
            raise ValueError(f"rows must be at least 1, got {rows}")
        most = rows or file_sizes(self.n, self.window, self.n_features, 1).group_rows
        named = {} if self.header is None else {name: len(each) for name, each in self.header.classes.items()}
        reader = ColumnReader(
            self.path, Shape(self.window, self.n_features), dict(self.list_lengths), {**CLASSES, **named}
        )
        first = 0
        for frame in self._frames(most):
            features = reader.features(frame[_FEATURES], first)
            yield WindowBatch(features, reader.others(frame.drop(_FEATURES), first), first)
            first += frame.height

    def series(self, symbol: str | None = None) -> WindowSeries:
        """The feature matrix behind windows that overlap: each begins the stride after the one before it.

        The stride is the header's; windows of another tool begin one bar apart.

        Args:
            symbol: whose; None: there is only one.

        Raises:
            DataError: the windows do not overlap, do not follow one another in this way, do not agree where they
                overlap, or are of several symbols.
        """
        stride = 1 if self.header is None else self.header.stride
        if stride >= self.window:
            raise DataError(
                f"{self.path}: its windows of {self.window:,} bars lie {stride:,} bars apart and do not overlap, so "
                "there is no series behind them; export with a smaller --stride"
            )
        matrix: list[Float32Array] = []
        about: list[RowColumns] = []
        last: Float32Array | None = None
        stamp: int | None = None
        for batch in self.batches():
            rows = self._rows_of(batch, symbol)
            if not rows.size:
                continue
            windows, columns = batch.features[rows], batch.columns.rows(rows)
            before = windows[:1] if last is None else last[None]
            overlaps = np.concatenate([before, windows[:-1]])[:, stride:], windows[:, :-stride]
            self._require_overlap(*overlaps, batch.first_row + rows, stride, is_first=last is None)
            if columns.ts_ns is not None:
                earlier = np.concatenate([columns.ts_ns[:1] - 1 if stamp is None else [stamp], columns.ts_ns[:-1]])
                wrong = columns.ts_ns <= earlier
                if wrong.any():
                    row = batch.first_row + int(rows[np.argmax(wrong)])
                    raise DataError(f"{self.path}: row {row}: ts is not later than in the row before; sort by ts")
                stamp = int(columns.ts_ns[-1])
            if last is None:
                matrix.append(windows[0, :-stride].copy())
            matrix.append(windows[:, -stride:].reshape(-1, self.n_features).copy())
            about.append(columns)
            last = windows[-1].copy()
        if not about:
            raise DataError(f"{self.path}: no windows of {symbol}")
        features = np.concatenate(matrix)
        return WindowSeries(features, RowColumns.joined(about), np.arange(self.window - 1, len(features), stride))

    def symbols(self) -> tuple[str, ...]:
        """Names in the column `symbol` in the order in which they first come; none without such a column."""
        if "symbol" not in self.column_names:
            return ()
        try:
            names = (
                pl.scan_parquet(self.path, glob=False).select(pl.col("symbol").unique(maintain_order=True)).collect()
            )
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _damaged(self.path, error) from error
        return tuple(str(name) for name in names["symbol"])

    def _rows_of(self, batch: WindowBatch, symbol: str | None) -> IntArray:
        names = batch.columns.symbol
        if names is None:
            if symbol is not None:
                raise DataError(f"{self.path}: there is no column symbol, so nothing is known to be of {symbol}")
            return np.arange(len(batch))
        if symbol is None and np.unique(names).size > 1:
            raise DataError(f"{self.path}: windows of several symbols, {', '.join(np.unique(names))}; name one")
        return np.arange(len(batch)) if symbol is None else np.flatnonzero(names == symbol)

    def _require_overlap(
        self, before: Float32Array, now: Float32Array, rows: IntArray, stride: int, *, is_first: bool
    ) -> None:
        agree = (before == now).all(axis=(1, 2))
        agree[0] |= is_first
        if not agree.all():
            row, by = int(rows[np.argmin(agree)]), "one bar" if stride == 1 else f"{stride} bars"
            raise DataError(f"{self.path}: row {row}: the window does not continue the one before it by {by}")

    def _frames(self, most: int) -> Iterator[pl.DataFrame]:
        scan = pl.scan_parquet(self.path, glob=False).select(self.column_names)
        tables: Iterator[pl.DataFrame]
        try:
            if self.header is not None:
                # Our own groups of rows, one at a time: the reader of streams below would unpack many ahead.
                group = file_sizes(self.n, self.window, self.n_features, self.header.stride).group_rows
                tables = (scan.slice(first, group).collect() for first in range(0, self.n, group))
            else:
                tables = scan.collect_batches(chunk_size=most, maintain_order=True, lazy=True)
            for table in tables:
                yield from table.iter_slices(most)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _damaged(self.path, error) from error


def read_windows(path: Path, window: int | None = None, n_features: int | None = None) -> WindowDataset:
    """Look into a file of windows; its rows are checked as they are read.

    Args:
        path: a Parquet file with a column `features`, as AGV2 or any other tool wrote it.
        window: bars in each window; None: as the file says, or from `n_features`.
        n_features: features of each bar; None: as the file says, or from `window`.

    Raises:
        DataError: it is no such file, or its rows are not `window` times `n_features` long.
    """
    _require_parquet(path)
    try:
        scan = pl.scan_parquet(path, glob=False)
        schema = scan.collect_schema()
        with path.open("rb") as file:  # by its name, a file called `[1].parquet` would be looked for as a pattern
            header = WindowHeader.parse(path, pl.read_parquet_metadata(file))
        _require_columns(path, schema)
        n = int(scan.select(pl.len()).collect().item())
        if n == 0:
            raise DataError(f"{path}: the file has no rows; {_REMEDY}")
        # A column in which nothing is known is one that is not there.
        lengths = {name: _length(scan, schema, name) for name in (_FEATURES, *_LISTS) if _may_hold(schema, name)}
        lengths = {name: length for name, length in lengths.items() if length or name == _FEATURES}
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _damaged(path, error) from error
    shape = _shape(path, lengths.pop(_FEATURES), header, window, n_features)
    names = header.features if header else tuple(f"feature_{j}" for j in range(shape.n_features))
    others = (name for name in _OTHERS if _may_hold(schema, name) and (name not in _LISTS or name in lengths))
    columns = (_FEATURES, *others)
    return WindowDataset(path, n, *shape, names, header, columns, tuple(lengths.items()))


def _require_parquet(path: Path) -> None:
    """Refuse what is no whole Parquet file; the reader's own words on one are of no use to a person."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
            size = file.seek(0, 2)
            file.seek(max(0, size - 4))
            tail = file.read(4)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; check the path") from None
    except IsADirectoryError:
        raise DataError(f"{path}: this is a directory; give the Parquet file itself") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    if size < 12 or head != b"PAR1" or tail != b"PAR1":
        found = "empty" if not size else "cut short" if head == b"PAR1" else "not a Parquet file"
        raise DataError(f"{path}: the file is {found}; {_REMEDY}")


def _require_columns(path: Path, schema: Mapping[str, pl.DataType]) -> None:
    if _FEATURES not in schema:
        raise DataError(f"{path}: no column {_FEATURES} (found: {', '.join(schema)}); {_REMEDY}")
    inner = getattr(schema[_FEATURES], "inner", None)
    if not is_list(schema[_FEATURES]) or inner not in (pl.Float32, pl.Float64):
        raise DataError(f"{path}: column {_FEATURES} is {schema[_FEATURES]}, expected a flat list of floats; {_REMEDY}")
    for name in _LISTS:
        if _may_hold(schema, name) and not is_list(schema[name]):
            raise DataError(f"{path}: column {name} is {schema[name]}, expected a list of numbers")


def _may_hold(schema: Mapping[str, pl.DataType], name: str) -> bool:
    """Whether there is such a column, of a kind that can hold anything but null."""
    return name in schema and schema[name] != pl.Null


def _length(scan: pl.LazyFrame, schema: Mapping[str, pl.DataType], name: str) -> int:
    """Length of the lists of a column: that of the first window, the greatest of labels; 0 where all are null."""
    dtype = schema[name]
    if isinstance(dtype, pl.Array):
        return dtype.size
    length = scan.select(pl.col(name).list.len())
    if name == _FEATURES:  # the others are compared with it as they are read
        found = length.filter(pl.col(name).is_not_null()).head(1).collect()
    else:
        found = length.select(pl.col(name).max()).collect()
    return int(found.item() or 0) if found.height else 0


def _shape(path: Path, width: int, header: WindowHeader | None, window: int | None, n_features: int | None) -> Shape:
    if header is not None:
        said = Shape(header.window, len(header.features))
        for what, ours, stated in (("window", said.window, window), ("features", said.n_features, n_features)):
            if stated not in (None, ours):
                raise DataError(f"{path}: the file says {what} {ours}, asked for was {stated}; leave it out")
        window, n_features = said
    if window is None and n_features is None:
        raise DataError(
            f"{path}: rows of {width:,} numbers, and the file does not say how many bars that is; state the window or "
            "the number of features"
        )
    shape = Shape(
        window or _quotient(path, width, n_features or 0, "features"),
        n_features or _quotient(path, width, window or 0, "bars"),
    )
    if shape.window * shape.n_features != width or not width:
        raise DataError(
            f"{path}: rows of {width:,} numbers, expected {shape.window:,} bars × {shape.n_features:,} features"
            f" = {shape.window * shape.n_features:,}"
        )
    return shape


def _quotient(path: Path, width: int, divisor: int, what: str) -> int:
    if divisor < 1 or width % divisor or not width:
        raise DataError(f"{path}: rows of {width:,} numbers cannot be divided by {divisor:,} {what}")
    return width // divisor


def _damaged(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{path}: the Parquet is damaged ({reason}); export it again")
