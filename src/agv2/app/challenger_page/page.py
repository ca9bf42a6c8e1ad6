"""Champion and challenger on the bars held out, as one HTML page that needs nothing but itself."""

import numpy as np

from agv2.app.challenger_report import ChallengerReport
from agv2.app.comparison_page.page import lead_cells
from agv2.app.policy_page.page import SHOWN
from agv2.backtest.evaluation import MeasuredAccount
from agv2.backtest.report.assets import page_asset, page_environment
from agv2.backtest.report.curve_panels import CurvePanel, DrawnLine, curve_panel
from agv2.backtest.report.numerals import format_number, format_stamp
from agv2.backtest.report.scales import Tick, time_ticks
from agv2.backtest.report.words import METRIC_GROUPS

__all__ = ["challenger_page", "measure_rows"]

_STYLES = {"champion": "s1", "challenger": "s0"}


def challenger_page(report: ChallengerReport) -> str:
    """One HTML document; the same report gives the same text."""
    labels = {metric.key: metric.label for _, group in METRIC_GROUPS for metric in group}
    found = report.contest
    return (
        page_environment("agv2.app.challenger_page")
        .get_template("challenger.html.jinja")
        .render(
            style=page_asset("report.css") + page_asset("evidence.css", "agv2.app.encoder_page"),
            report=report,
            symbols=[span.symbol for span in report.spans],
            headline=found.words,
            known_until=format_stamp(report.known_until_ns),
            columns=[labels[key] for key in SHOWN],
            rows=measure_rows(report),
            styles=_STYLES,
            equity=_equity(report),
            looks=_looks(report),
            leads=[
                (name, *lead_cells(lead))
                for name, lead in (
                    ("challenger over champion", found.difference),
                    ("challenger over flat", found.challenger),
                    ("champion over flat", found.champion),
                )
            ],
            spans=[
                (span, *map(format_stamp, (span.first_ns, span.train_until_ns, span.test_from_ns, span.last_ns)))
                for span in report.spans
            ],
        )
    )


def measure_rows(report: ChallengerReport) -> list[tuple[str, tuple[str, ...]]]:
    """Both accounts, their numbers as a person reads them."""
    return [("champion", _cells(report.champion)), ("challenger", _cells(report.challenger))]


def _cells(account: MeasuredAccount) -> tuple[str, ...]:
    metrics = {metric.key: metric for _, group in METRIC_GROUPS for metric in group}
    values = account.report.values()
    return tuple(format_number(values[key], metrics[key].unit, signed=metrics[key].signed) for key in SHOWN)


def _equity(report: ChallengerReport) -> CurvePanel | None:
    stamps = report.champion.curve.ts_ns
    first, width = int(stamps[0]), max(int(stamps[-1] - stamps[0]), 1)
    lines = [
        DrawnLine(_STYLES[name], name, (one.curve.ts_ns - first) / width, one.curve.equity / one.curve.equity[0] - 1.0)
        for name, one in (("champion", report.champion), ("challenger", report.challenger))
    ]
    ticks = [
        Tick(100.0 * float(stamps[int(tick.value)] - first) / width, tick.text)
        for tick in time_ticks(stamps, at_most=6)
    ]
    return curve_panel("Gain since the first bar held out", lines, 1.0, steps=ticks, fractions=True)


def _looks(report: ChallengerReport) -> CurvePanel | None:
    steps = np.array([look["step"] for look in report.looks], dtype=np.float64)
    values = np.array([look["sharpe_per_bar"] for look in report.looks], dtype=np.float64)
    last, kept = float(report.facts["steps"]), [float(report.facts["best_step"])]
    lines = [DrawnLine("s0", "challenger", steps, values)]
    return curve_panel("Sharpe ratio per bar of the validation block", lines, max(last, 1.0), kept)
