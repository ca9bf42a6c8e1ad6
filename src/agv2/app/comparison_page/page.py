"""Runs side by side as one HTML page that needs nothing but itself."""

from typing import Any

import numpy as np

from agv2.app.run_comparison import ComparedRun, Comparison, Lead
from agv2.backtest.report.assets import page_asset, page_environment
from agv2.backtest.report.curve_panels import CurvePanel, DrawnLine, curve_panel
from agv2.backtest.report.numerals import Unit, format_number
from agv2.backtest.report.scales import Tick, time_ticks
from agv2.backtest.report.words import METRIC_GROUPS
from agv2.core.arrays import FloatArray, IntArray

__all__ = ["comparison_page", "headline", "lead_cells", "measure_rows", "setting_text"]

_STYLES = ("s0", "s2", "s3", "s4", "s5", "s6", "s7", "s1")
_EVIDENCE = (("dsr", "Deflated Sharpe", Unit.PERCENT), ("n_trials", "Trials counted", Unit.COUNT))


def comparison_page(comparison: Comparison) -> str:
    """One HTML document; the same comparison gives the same text."""
    return (
        page_environment("agv2.app.comparison_page")
        .get_template("comparison.html.jinja")
        .render(
            style=page_asset("report.css") + page_asset("evidence.css", "agv2.app.encoder_page"),
            runs=comparison.runs,
            headline=headline(comparison),
            same_bars=comparison.same_bars,
            styles=[(_STYLES[number % len(_STYLES)], run.name) for number, run in enumerate(comparison.runs)],
            panels=[panel for panel in (_gains(comparison), _drawdowns(comparison)) if panel is not None],
            measures=measure_rows(comparison),
            leads=[(lead.name, *lead_cells(lead)) for lead in comparison.leads],
            settings={name: [setting_text(value) for value in values] for name, values in comparison.settings.items()},
        )
    )


def headline(comparison: Comparison) -> str:
    """What came of it, in a sentence."""
    first = comparison.runs[0].name
    if not comparison.same_bars:
        return f"Runs on other bars than {first}: no one is better for that"
    found: dict[str, list[str]] = {}
    for lead in comparison.leads:
        found.setdefault(lead.finding, []).append(lead.name)
    words = {
        "better": "better than", "worse": "worse than", "draw": "level with", "unknown": "not to be compared with",
    }  # fmt: skip
    return "; ".join(f"{', '.join(names)}: {words[finding]} {first}" for finding, names in found.items())


def measure_rows(comparison: Comparison) -> list[tuple[str, list[str]]]:
    """Label and the cell of each run: verdict, every measure, the evidence."""
    rows = [("Verdict", [str(run.record.summary["verdict"]) for run in comparison.runs])]
    for _, group in METRIC_GROUPS:
        for metric in group:
            cells = [
                format_number(run.record.summary["oos"][metric.key], metric.unit, signed=metric.signed)
                for run in comparison.runs
            ]
            rows.append((metric.label, cells))
    for key, label, unit in _EVIDENCE:
        rows.append((label, [format_number(run.record.summary["significance"][key], unit) for run in comparison.runs]))
    return rows


def lead_cells(lead: Lead) -> tuple[str, str, str, str, str]:
    """Common days, excess a year, its ratio, the interval, the finding."""
    interval = "–" if lead.finding == "unknown" else f"{_signed(lead.low)} to {_signed(lead.high)}"
    excess = format_number(lead.annual_return, Unit.PERCENT, signed=True)
    return f"{lead.n_days:,}", excess, _signed(lead.ratio), interval, lead.finding


def setting_text(value: Any) -> str:
    """A value as a settings file would have it; a dash where the run has no such setting."""
    if value is None:
        return "–"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _signed(value: float) -> str:
    return format_number(value, Unit.RATIO, signed=True)


def _gains(comparison: Comparison) -> CurvePanel | None:
    curves = [_equity(run) for run in comparison.runs]
    return _panel(
        "Gain since each run's first test bar, per cent",
        comparison,
        [(ts, 100.0 * (equity / equity[0] - 1.0)) for ts, equity in curves],
    )


def _drawdowns(comparison: Comparison) -> CurvePanel | None:
    curves = [_equity(run) for run in comparison.runs]
    return _panel(
        "Drawdown, per cent",
        comparison,
        [(ts, 100.0 * (equity / np.maximum.accumulate(equity) - 1.0)) for ts, equity in curves],
    )


def _equity(run: ComparedRun) -> tuple[IntArray, FloatArray]:
    curve = run.record.curve(run.record.account)
    return curve["ts"].dt.epoch("ns").to_numpy(), curve["equity"].to_numpy()


def _panel(title: str, comparison: Comparison, series: list[tuple[IntArray, FloatArray]]) -> CurvePanel | None:
    stamps = np.unique(np.concatenate([ts for ts, _ in series]))
    first, width = int(stamps[0]), max(int(stamps[-1] - stamps[0]), 1)
    lines = [
        DrawnLine(_STYLES[number % len(_STYLES)], run.name, (ts - first) / width, values)
        for number, (run, (ts, values)) in enumerate(zip(comparison.runs, series, strict=True))
    ]
    ticks = [
        Tick(100.0 * float(stamps[int(tick.value)] - first) / width, tick.text)
        for tick in time_ticks(stamps, at_most=6)
    ]
    return curve_panel(title, lines, 1.0, steps=ticks)
