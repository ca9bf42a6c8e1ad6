"""The report page: one HTML file that needs nothing but itself."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agv2.backtest.atomic_files import write_atomically
from agv2.backtest.report.assets import page_asset, page_environment
from agv2.backtest.report.candles import CandleFigure, candle_figures
from agv2.backtest.report.charts import equity_figure
from agv2.backtest.report.dependence import ablation_table, seed_table, sensitivity_table
from agv2.backtest.report.entry_sources import entry_sources
from agv2.backtest.report.findings import cost_findings, result_sentence
from agv2.backtest.report.folds import cross_fit_rows, fold_rows, head_rows
from agv2.backtest.report.numerals import MONTHS, Unit, format_number, format_stamp
from agv2.backtest.report.reading import RunRecord, read_run
from agv2.backtest.report.returns import month_rows, return_spread, rolling_sharpe
from agv2.backtest.report.robustness import cost_curve, monte_carlo
from agv2.backtest.report.stress_rows import stress_table
from agv2.backtest.report.tables import Cell, evidence_rows, metric_table, symbol_rows
from agv2.backtest.report.trade_spread import trade_spread
from agv2.backtest.report.words import in_words
from agv2.backtest.saliency_summary import spoke_most
from agv2.backtest.trades import round_trips
from agv2.core.timeframes import Timeframe

__all__ = ["render_report", "write_report"]

_VERDICTS = {"no evidence": "none", "weak evidence": "weak", "strong evidence": "strong"}
_SYMBOL_KEYS = ("net_return", "sharpe", "max_drawdown", "trades", "hit_rate", "expectancy_r", "break_even_cost_frac")
_AFTER_A_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_LONGEST_CLAIM = 60  # characters that look well in the largest type
_ACCEPTED = "DEFECTS ACCEPTED"  # in notes on bars that the user ran on although they have errors
_UNDEFINED = re.compile(r"(oos|per_symbol|significance|baselines|encoder)\.\S+: ")
_TRADE_ROWS = 100  # newest trades listed as a table under the candles


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One number of the strip under the verdict."""

    label: str
    cell: Cell
    beside: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict's sentence, cut where its weight changes."""

    style: str
    badge: str
    claim: str
    reason: str
    rest: str


def render_report(run_dir: Path) -> str:
    """The report of the run in `run_dir`, as one HTML document; the same files give the same text.

    Raises:
        DataError: the directory lacks a file, column or key of docs/run_directory.md.
    """
    record = read_run(run_dir)
    script = page_asset("report.js")
    candles = candle_figures(record)
    figure = equity_figure(record)
    return (
        page_environment()
        .get_template("page.html.jinja")
        .render(
            style=page_asset("report.css"),
            script=script,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            summary=record.summary,
            title=", ".join(record.books),
            subtitle=_subtitle(record),
            verdict=_spoken(record),
            error_rates=_error_rates(record),
            result=result_sentence(record),
            key_figures=_key_figures(record),
            figure=figure,
            halted=format_number(figure.halted_frac, Unit.PERCENT) if figure.halted_frac else "",
            has_baselines=record.baselines is not None,
            month_names=MONTHS,
            months=month_rows(record),
            rolling=rolling_sharpe(record),
            spread=return_spread(record),
            trade_spread=trade_spread(record),
            cost_curve=cost_curve(record),
            monte_carlo=monte_carlo(record),
            stress=stress_table(record.checks["stress"]) if "stress" in record.checks else None,
            ablation=ablation_table(record.checks["ablation"]) if "ablation" in record.checks else None,
            sensitivity=sensitivity_table(record.checks["sensitivity"]) if "sensitivity" in record.checks else None,
            seeds=seed_table(record.checks["seeds"]) if "seeds" in record.checks else None,
            candles=candles,
            trade_rows=[_trade_rows(one, record) for one in candles],
            entry_sources=entry_sources(record),
            exits=[_exits(one) for one in candles],
            metrics=metric_table(record),
            baseline_names=[in_words(name) for name in record.summary["baselines"]],
            has_intervals=bool(record.intervals),
            evidence=evidence_rows(record),
            costs=cost_findings(record),
            folds=fold_rows(record),
            fold_numbers=[str(fold.get("fold", index)) for index, fold in enumerate(record.folds)],
            heads=head_rows(record),
            cross_fits=cross_fit_rows(record),
            by_symbol=symbol_rows(record, _SYMBOL_KEYS),
            symbol_labels=[m.label for _, rows in metric_table(record) for m, _ in rows if m.key in _SYMBOL_KEYS],
            notes=[note for note in record.summary["notes"] if not _UNDEFINED.match(note)],
            undefined=[note for note in record.summary["notes"] if _UNDEFINED.match(note)],
            accepted_defects=[note for note in record.summary["notes"] if _ACCEPTED in note],
            config=record.config,
            provenance=list(_flat(record.provenance)),
            runtimes=[(in_words(k), format_number(v, Unit.SECONDS)) for k, v in _numbers(record.summary["runtime_s"])],
            hover={"equity": figure.hover, "candles": [one.hover for one in candles]},
        )
    )


def write_report(run_dir: Path) -> Path:
    """Write `report.html` into `run_dir`, whole or not at all.

    Returns:
        The file's path.

    Raises:
        DataError: as for `render_report`; nothing is written then.
    """
    path = run_dir / "report.html"
    write_atomically(path, render_report(run_dir))
    return path


def _subtitle(record: RunRecord) -> str:
    stamps = record.curve(record.account)["ts"].dt.epoch("ns").to_numpy()
    parts = []
    if len(stamps) > 1:
        steps, counts = np.unique(np.diff(stamps), return_counts=True)
        minutes = int(steps[counts.argmax()]) // 60_000_000_000
        parts.append(f"{Timeframe(minutes).name} bars" if minutes else "")
    parts += [f"profile {record.summary['profile']}", f"seed {record.summary['seed']}"]
    return " · ".join(part for part in parts if part)


def _spoken(record: RunRecord) -> Verdict:
    """The verdict's text by weight: what it says, why, and the sentences after, which hold its error rates."""
    level, text = record.summary["verdict"], record.summary["verdict_text"]
    first, _, rest = _AFTER_A_SENTENCE.sub("\n", text, count=1).partition("\n")
    claim, colon, reason = first.partition(": ")
    if not colon or len(claim) > _LONGEST_CLAIM:
        claim, reason = first, ""
    badge = "" if text.lower().startswith(level) else level
    return Verdict(_VERDICTS.get(level, "none"), badge, claim, reason, rest)


def _error_rates(record: RunRecord) -> list[tuple[str, str, str, str]]:
    """Label, value, interval and meaning of each measured error rate of the verdict's rule."""
    rates = (record.error_rates or {}).get("rates", [])
    return [
        (
            one["label"],
            format_number(one["rate"], Unit.PERCENT),
            " to ".join(format_number(one[end], Unit.PERCENT) for end in ("low", "high") if one.get(end) is not None),
            one.get("meaning", ""),
        )
        for one in rates
    ]


def _key_figures(record: RunRecord) -> list[KeyFigure]:
    cells = {metric.key: cells for _, rows in metric_table(record) for metric, cells in rows}
    evidence = {label: cell for label, _, cell in evidence_rows(record)}

    def interval(key: str) -> str:
        return f"95\u202f%: {cells[key][1].text}" if cells[key][1].text else ""

    return [
        KeyFigure("Net return", cells["net_return"][0], interval("net_return")),
        KeyFigure("Sharpe ratio", cells["sharpe"][0], interval("sharpe")),
        KeyFigure("Max drawdown", cells["max_drawdown"][0], f"underwater {cells['underwater_bars'][0].text}"),
        KeyFigure("Deflated Sharpe", evidence["Deflated Sharpe ratio"],
                  f"probability; trials counted: {evidence['Trials counted'].text}"),
        KeyFigure("Trades", cells["trades"][0], f"{cells['trades_per_day'][0].text} per day"),
        KeyFigure("Hit rate", cells["hit_rate"][0], f"expectancy {cells['expectancy_r'][0].text}"),
    ]  # fmt: skip


def _trade_rows(figure: CandleFigure, record: RunRecord) -> list[tuple[str, ...]]:
    numbers = {(one.symbol, one.opened_ns, one.closed_ns): n for n, one in enumerate(round_trips(record.rows), start=1)}
    spoke = spoke_most(record.saliency)
    return [
        (
            str(numbers[trip.symbol, trip.opened_ns, trip.closed_ns]),
            format_stamp(trip.opened_ns),
            "long" if trip.side > 0 else "short",
            format_number(trip.units, Unit.RATIO),
            format_number(trip.entry_price, Unit.PRICE),
            format_stamp(trip.closed_ns),
            format_number(trip.exit_price, Unit.PRICE),
            in_words(trip.exit_reason),
            format_number(trip.net_pnl, Unit.MONEY, signed=True),
            format_number(trip.r_multiple, Unit.R, signed=True),
            spoke.get((trip.fold, trip.symbol, trip.decided_ns), "–"),
        )
        for trip in reversed(figure.trades[-_TRADE_ROWS:])
    ]


def _exits(figure: CandleFigure) -> str:
    counts = Counter(in_words(trip.exit_reason) for trip in figure.trades)
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0])))


def _numbers(values: Any) -> Iterator[tuple[str, float]]:
    for key, value in values.items():
        if isinstance(value, int | float):
            yield key, float(value)


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of nested objects and lists as (`inputs.0.sha256`, text); a list of plain values is one leaf."""
    if isinstance(value, list) and value and not any(isinstance(each, dict | list) for each in value):
        yield name, ", ".join(map(str, value))
    elif isinstance(value, dict | list) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, "–" if value is None or value in ({}, []) else str(value)
