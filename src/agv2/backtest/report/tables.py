"""The report's tables as rows of finished cells."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agv2.backtest.report.charts import sparkline
from agv2.backtest.report.numerals import MONTHS, Unit, format_number
from agv2.backtest.report.reading import RunRecord
from agv2.backtest.report.words import METRIC_GROUPS, Metric, in_words

__all__ = ["Cell", "evidence_rows", "metric_table", "symbol_rows"]

_EVIDENCE: tuple[tuple[str, str, Unit, str], ...] = (
    ("psr", "Probabilistic Sharpe ratio", Unit.PERCENT,
     "how likely the true Sharpe ratio is above zero, were this the only trial"),
    ("dsr", "Deflated Sharpe ratio", Unit.PERCENT, "the same after allowing for every trial made on these bars"),
    ("n_trials", "Trials counted", Unit.COUNT, "settings and seeds tried on these bars, from the ledger"),
    ("n_effective_trials", "Effective trials", Unit.COUNT, "the same, counting like trials once"),
    ("pbo", "Probability of overfitting", Unit.PERCENT,
     "how often the best in sample is below the median out of sample"),
    ("spa_p_value", "Superior predictive ability, p", Unit.RATIO,
     "chance of such a result if no trial beats its benchmark"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One table cell: its text, whether it is a loss, and why it is empty where it is."""

    text: str
    tone: str = ""
    why: str = ""


def metric_table(record: RunRecord) -> list[tuple[str, list[tuple[Metric, list[Cell]]]]]:
    """Groups of metrics; a row's cells are this run, its interval, then each baseline in the summary's order."""
    summary = record.summary
    groups = []
    for title, metrics in METRIC_GROUPS:
        rows = []
        for metric in metrics:
            cells = [_metric_cell(record, "oos", metric, summary["oos"]), _interval_cell(record, metric)]
            cells += [
                _metric_cell(record, f"baselines.{name}", metric, values)
                for name, values in summary["baselines"].items()
            ]
            rows.append((metric, cells))
        groups.append((title, rows))
    return groups


def evidence_rows(record: RunRecord) -> list[tuple[str, str, Cell]]:
    """Label, meaning and value of each figure of `significance`."""
    found = record.summary["significance"]
    rows = []
    for key, label, unit, meaning in _EVIDENCE:
        text = format_number(found.get(key), unit)
        why = _why(record.summary["notes"], "significance", key) if text == "–" else ""
        rows.append((label, meaning + _ledger_words(record) * (key == "n_trials"), Cell(text, why=why)))
        effective = record.trials.get("dsr_effective")
        if key == "dsr" and effective is not None and found["n_trials"] > 1:
            shown = Cell(format_number(effective, unit))
            rows.append(("with like trials counted once", "by clusters of their returns; it moves no verdict", shown))
    return rows


def _ledger_words(record: RunRecord) -> str:
    """Since when trials are counted: a ledger that was deleted begins anew, and that is to be seen."""
    begun, started = (record.provenance.get(key) for key in ("trial_ledger_begun", "started"))
    if not isinstance(begun, str) or not isinstance(started, str):
        return ""
    since = datetime.fromisoformat(begun)
    when = f"{since.day} {MONTHS[since.month - 1]} {since.year} {since:%H:%M} UTC"
    anew = ", with this run: no earlier trial can be in it" if since >= datetime.fromisoformat(started) else ""
    return f", which was begun {when}{anew}"


def symbol_rows(record: RunRecord, keys: Iterable[str]) -> list[tuple[str, str, list[Cell]]]:
    """Symbol, sparkline of its equity and its metrics, for a run of several symbols; else none."""
    if len(record.books) < 2:
        return []
    metrics = [_metric(key) for key in keys]
    rows = []
    for symbol in record.books:
        values = record.summary["per_symbol"].get(symbol, {})
        cells = [_metric_cell(record, f"per_symbol.{symbol}", metric, values) for metric in metrics]
        rows.append((symbol, sparkline(record.curve(symbol)["equity"].to_numpy()), cells))
    return rows


def _metric(key: str) -> Metric:
    return next(metric for _, metrics in METRIC_GROUPS for metric in metrics if metric.key == key)


def _metric_cell(record: RunRecord, scope: str, metric: Metric, values: Mapping[str, Any]) -> Cell:
    value = values.get(metric.key)
    text = format_number(value, metric.unit, signed=metric.signed)
    if text == "–":
        return Cell(text, why=_why(record.summary["notes"], scope, metric.key))
    return Cell(text, tone="loss" if metric.signed and value is not None and value < 0 else "")


def _interval_cell(record: RunRecord, metric: Metric) -> Cell:
    ends = record.intervals.get(metric.key)
    if ends is None and metric.key == "sharpe":
        ends = record.summary["significance"].get("bootstrap_sharpe_ci")
    if not ends or any(end is None or not math.isfinite(end) for end in ends):
        return Cell("")
    low, high = (format_number(end, metric.unit, signed=metric.signed) for end in ends)
    if "\u202f" in low and low.split("\u202f")[1:] == high.split("\u202f")[1:]:
        low = low.split("\u202f")[0]  # the unit once, behind the second number
    return Cell(f"{low} to {high}")


def _why(notes: Iterable[str], scope: str, key: str) -> str:
    """Why a figure is null: the note `<scope>.<key>: reason` if there is one, else the first note to name the key."""
    exact = f"{scope}.{key}: "
    named = re.compile(rf"(?<![a-z0-9_]){re.escape(key)}(?![a-z0-9_])")
    other = ""
    for note in notes:
        if note.startswith(exact):
            return note.removeprefix(exact)
        other = other or (note if named.search(note) else "")
    return other or f"{in_words(key)} is undefined here; the run's notes give no reason"
