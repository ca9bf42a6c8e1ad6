"""A run directory, read and checked, as the report needs it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from agv2.backtest.run_files import RunRows, read_run_rows
from agv2.backtest.saliency import read_saliency
from agv2.core.errors import DataError, InvariantError

__all__ = ["ACCOUNT", "RunRecord", "read_run"]

ACCOUNT = "ACCOUNT"

_COLUMNS = {
    "folds/report/baselines.parquet": ("name", "symbol", "ts", "equity"),
    "folds/report/last_fold_bars.parquet": ("symbol", "ts", "open", "high", "low", "close"),
}
_SUMMARY_KEYS = (
    "schema", "symbols", "profile", "seed", "oos", "per_symbol", "significance", "baselines", "encoder", "verdict",
    "verdict_text", "notes", "runtime_s",
)  # fmt: skip
_CHECKS = ("stress", "ablation", "sensitivity", "seeds")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything that a run wrote down; the optional parts are None or empty where the run left them out.

    Args:
        summary: `summary.json`; all keys of docs/run_directory.md are there.
        provenance: `provenance.json`.
        config: file name to text of every `config/*.yaml`, sorted by name.
        rows: `oos/fills.parquet`, `oos/equity.parquet` and `oos/decisions.parquet`.
        folds: `folds/K/fold.json` in order of K: fold, train_from, train_to (ISO stamps), net_return, sharpe,
            max_drawdown, trades, encoder (a list of head, score, baseline, baseline_name, baselines (name to loss),
            beats, train_score, validation_score, cross_fitted_score) and policy (steps, seconds, train_sharpe,
            validation_sharpe); each may be absent.
        baselines: `folds/report/baselines.parquet`: name, symbol, ts, equity.
        bars: `folds/report/last_fold_bars.parquet`: symbol, ts, open, high, low, close.
        costs: `folds/report/costs.json`: spread, slippage, commission, financing, gross_pnl, notional_traded,
            break_even_cost_frac; money of the account except the last, a fraction of the notional.
        intervals: `folds/report/intervals.json`: metric to (low, high).
        error_rates: `folds/report/error_rates.json`: `rates`, a list of label, rate, low, high (fractions) and
            meaning, in the order in which to show them.
        saliency: `oos/saliency.parquet`: of each entry what it came from.
        trials: `folds/report/trials.json`: dsr_effective, the deflated Sharpe ratio with like trials counted once.
        checks: `robustness/*.json` by name, those of `agv2 robustness` that were done.
    """

    summary: Mapping[str, Any]
    provenance: Mapping[str, Any]
    config: Mapping[str, str]
    rows: RunRows
    folds: tuple[Mapping[str, Any], ...]
    baselines: pl.DataFrame | None
    bars: pl.DataFrame | None
    costs: Mapping[str, Any] | None
    intervals: Mapping[str, Any]
    error_rates: Mapping[str, Any] | None
    saliency: pl.DataFrame | None
    trials: Mapping[str, Any]
    checks: Mapping[str, Mapping[str, Any]]

    @property
    def books(self) -> tuple[str, ...]:
        """Symbols that traded, in the run's order."""
        return tuple(self.summary["symbols"])

    @property
    def account(self) -> str:
        """The symbol whose equity rows are the whole account's."""
        return ACCOUNT if len(self.books) > 1 else self.books[0]

    def curve(self, symbol: str) -> pl.DataFrame:
        """Equity rows of one symbol (or of the account), in order of time."""
        return self.rows.equity.filter(symbol=symbol).sort("ts")


def read_run(run_dir: Path) -> RunRecord:
    """The run in `run_dir`, complete and with the columns and keys of docs/run_directory.md.

    Raises:
        DataError: a file of docs/run_directory.md is missing or unreadable, or lacks a column or a key.
    """
    summary = _read_json(run_dir, "summary.json")
    absent = [key for key in _SUMMARY_KEYS if key not in summary]
    if absent:
        raise DataError(f"{run_dir / 'summary.json'}: no {', '.join(absent)}; run again, the run was not finished")
    broken = [key for key in ("oos", "per_symbol", "significance", "baselines") if not isinstance(summary[key], dict)]
    if broken:
        raise DataError(f"{run_dir / 'summary.json'}: {', '.join(broken)} should be objects; run again")
    config = {file.name: _text(file) for file in sorted((run_dir / "config").glob("*.yaml"))}
    if not config:
        raise DataError(f"{run_dir / 'config'}: no *.yaml; a run leaves its resolved settings there, run again")
    record = RunRecord(
        summary=summary,
        provenance=_read_json(run_dir, "provenance.json"),
        config=config,
        rows=_read_rows(run_dir),
        folds=tuple(_read_folds(run_dir)),
        baselines=_optional_table(run_dir, "folds/report/baselines.parquet"),
        bars=_optional_table(run_dir, "folds/report/last_fold_bars.parquet"),
        costs=_optional_json(run_dir, "folds/report/costs.json"),
        intervals=_optional_json(run_dir, "folds/report/intervals.json") or {},
        error_rates=_optional_json(run_dir, "folds/report/error_rates.json"),
        saliency=read_saliency(path) if (path := run_dir / "oos/saliency.parquet").exists() else None,
        trials=_optional_json(run_dir, "folds/report/trials.json") or {},
        checks={name: found for name in _CHECKS if (found := _optional_check(run_dir, name)) is not None},
    )
    for symbol in (*record.books, record.account):
        if record.curve(symbol).is_empty():
            raise DataError(
                f"{run_dir / 'oos/equity.parquet'}: no rows of {symbol}; a finished run has them, run again"
            )
    return record


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not readable as text ({error}); run again") from None


def _read_json(run_dir: Path, name: str) -> dict[str, Any]:
    path = run_dir / name
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: missing; name the --out directory of a finished run") from None
    except NotADirectoryError:
        raise DataError(f"{run_dir}: a file; name the --out directory of a finished run") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as JSON ({error}); run again") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected an object, found {type(value).__name__}; run again")
    return value


def _optional_json(run_dir: Path, name: str) -> dict[str, Any] | None:
    return _read_json(run_dir, name) if (run_dir / name).exists() else None


def _optional_check(run_dir: Path, name: str) -> dict[str, Any] | None:
    found = _optional_json(run_dir, f"robustness/{name}.json")
    if found is not None and (found.get("check") != name or "notes" not in found):
        raise DataError(f"{run_dir / 'robustness' / name}.json: not what agv2 robustness writes; do the check again")
    return found


def _read_rows(run_dir: Path) -> RunRows:
    try:
        return read_run_rows(run_dir / "oos")
    except InvariantError as error:
        raise DataError(f"{run_dir / 'oos'}: {error}; run again") from None


def _optional_table(run_dir: Path, name: str) -> pl.DataFrame | None:
    path = run_dir / name
    if not path.exists():
        return None
    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: not readable as Parquet ({str(error).splitlines()[0]}); run again") from None
    absent = [column for column in _COLUMNS[name] if column not in frame.columns]
    if absent:
        raise DataError(f"{path}: no column {', '.join(absent)}; run again")
    return frame


def _read_folds(run_dir: Path) -> Iterator[dict[str, Any]]:
    names = [path.name for path in (run_dir / "folds").glob("*") if (path / "fold.json").exists()]
    for name in sorted(names, key=lambda text: (len(text), text)):
        yield _read_json(run_dir, f"folds/{name}/fold.json")
