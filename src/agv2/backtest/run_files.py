"""The three tables a run leaves: every fill, the book at every bar, every decision."""

import io
import pathlib
from dataclasses import dataclass

import polars as pl

from agv2.backtest.atomic_files import write_atomically
from agv2.core.errors import DataError, InvariantError
from agv2.core.orders import FillReason

__all__ = ["RunRows", "read_run_rows", "write_run_rows"]

_STAMP = pl.Datetime("us", "UTC")
_KEY: dict[str, pl.DataType | type[pl.DataType]] = {"fold": pl.Int64, "symbol": pl.String, "ts": _STAMP}
_FILLS = pl.Schema(
    {
        **_KEY,
        "side": pl.Int8,
        "units": pl.Float64,
        "price": pl.Float64,
        "mid": pl.Float64,
        "commission": pl.Float64,
        "reason": pl.String,
        "order_id": pl.Int64,
        "decided_ts": _STAMP,
    }
)
_EQUITY = pl.Schema(
    {
        **_KEY,
        "equity": pl.Float64,
        "cash": pl.Float64,
        "units": pl.Float64,
        "financing": pl.Float64,
        "drawdown": pl.Float64,
        "halted": pl.Boolean,
    }
)
_DECISIONS = pl.Schema(
    {
        **_KEY,
        "position": pl.Int8,
        "size": pl.Float64,
        "stop": pl.Float64,
        "target": pl.Float64,
        "entropy": pl.Float64,
        "value": pl.Float64,
        "p_trend": pl.Float64,
        "p_consolidation": pl.Float64,
        "p_volatile": pl.Float64,
        "order_before_units": pl.Float64,
        "order_after_units": pl.Float64,
        "reason": pl.String,
    }
)
_SCHEMAS = {"fills": _FILLS, "equity": _EQUITY, "decisions": _DECISIONS}


@dataclass(frozen=True, slots=True)
class RunRows:
    """Fills, equity and decisions of one stitched account, as docs/run_directory.md lays them out.

    A portfolio's `equity` also has rows of the symbol `ACCOUNT`.
    """

    fills: pl.DataFrame
    """One row per fill, in the order of execution within a symbol."""
    equity: pl.DataFrame
    """One row per symbol and bar, rising in `ts` within a symbol."""
    decisions: pl.DataFrame
    """One row per decision; may be empty for an account that follows no policy."""

    @classmethod
    def of(cls, fills: pl.DataFrame, equity: pl.DataFrame, decisions: pl.DataFrame | None = None) -> "RunRows":
        """Bring frames to the exact columns and types, and refuse what may not be written.

        Args:
            fills: columns of `fills.parquet` in any order; integer stamps are nanoseconds UTC, an integer
                `reason` is a `FillReason`.
            equity: columns of `equity.parquet`, likewise.
            decisions: columns of `decisions.parquet`, likewise; None for none.

        Raises:
            InvariantError: a column is missing, a value is null or not finite, a fill has no size or does not
                follow its decision, or a symbol's equity rows are not in order.
        """
        rows = cls(
            _conform("fills", fills),
            _conform("equity", equity),
            _conform("decisions", _DECISIONS.to_frame() if decisions is None else decisions),
        )
        bad = rows.fills.filter(
            (pl.col("units") <= 0) | (pl.col("side").abs() != 1) | (pl.col("decided_ts") >= pl.col("ts"))
        )
        if bad.height:
            raise InvariantError(
                f"fills: {bad.height} rows without size or side, or not later than their decision; first: {bad.row(0)}"
            )
        step = pl.col("ts").diff().over("symbol")
        if rows.equity.filter(step <= pl.duration()).height:
            raise InvariantError("equity: stamps of a symbol do not rise strictly")
        return rows

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols with a book of their own, in order of first appearance."""
        names: list[str] = self.equity["symbol"].unique(maintain_order=True).to_list()
        return tuple(name for name in names if name != "ACCOUNT")


def write_run_rows(rows: RunRows, folder: pathlib.Path) -> None:
    """Write `fills.parquet`, `equity.parquet` and `decisions.parquet` into `folder`, each whole or not at all."""
    for name in _SCHEMAS:
        buffer = io.BytesIO()
        frame: pl.DataFrame = getattr(rows, name)
        frame.write_parquet(buffer, compression="zstd", statistics=True)
        write_atomically(folder / f"{name}.parquet", buffer.getvalue())


def read_run_rows(folder: pathlib.Path) -> RunRows:
    """Read what `write_run_rows` wrote.

    Raises:
        DataError: a file is missing or cannot be read.
        InvariantError: a file does not hold what a run leaves.
    """
    frames = {}
    for name in _SCHEMAS:
        path = folder / f"{name}.parquet"
        try:
            frames[name] = pl.read_parquet(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{path} cannot be read ({error}); is {folder.parent} a finished run?") from error
    return RunRows.of(frames["fills"], frames["equity"], frames["decisions"])


def _conform(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    schema = _SCHEMAS[name]
    missing = [column for column in schema if column not in frame.columns]
    if missing:
        raise InvariantError(f"{name}: no column {', '.join(missing)}; found {', '.join(frame.columns) or 'none'}")
    if frame.height == 0:
        return schema.to_frame()
    columns = []
    for column, dtype in schema.items():
        source = pl.col(column)
        if dtype == _STAMP and frame.schema[column].is_integer():
            source = pl.from_epoch(source, time_unit="ns").dt.replace_time_zone("UTC")
        elif column == "reason" and frame.schema[column].is_integer():
            source = source.replace_strict({reason.value: reason.name.lower() for reason in FillReason})
        columns.append(source.cast(dtype, strict=True).alias(column))
    shaped = frame.select(columns)
    for column, dtype in schema.items():
        holes = shaped[column].null_count()
        if dtype == pl.Float64:
            holes += int((~shaped[column].is_finite()).sum())
        if holes:
            raise InvariantError(f"{name}.{column}: {holes} of {shaped.height} values are null or not finite")
    return shaped
