"""What training policies found as one HTML page that needs nothing but itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agv2.app.policy_report import MeasuredBooks, PolicyReport, TrainedSeed
from agv2.backtest.report.assets import page_asset, page_environment
from agv2.backtest.report.curve_panels import CurvePanel, DrawnLine, curve_panel
from agv2.backtest.report.numerals import format_number, format_stamp
from agv2.backtest.report.scales import Tick, time_ticks
from agv2.backtest.report.words import METRIC_GROUPS, in_words

__all__ = ["SHOWN", "headline", "measured_rows", "policy_page"]

SHOWN = ("net_return", "sharpe", "max_drawdown", "trades", "exposure", "turnover_per_day", "expectancy_r")
_STYLES = 8
_CURVES = {
    "reward": "Reward per step, all terms",
    "reward/log_equity": "Log return of equity, after costs",
    "reward/drawdown": "Penalty for drawdown",
    "reward/trades": "Penalty for trades",
    "reward/hold": "Penalty for exposure",
    "drawdown": "Worst drawdown of an episode",
    "entropy": "Entropy, nats",
    "value_loss": "Loss of the value",
    "approx_kl": "Change of an update (KL)",
    "explained_variance": "Variance that the value explains",
    "actor_loss": "Loss of the actor",
    "critic_loss": "Loss of the critics",
    "entropy_coefficient": "Entropy coefficient",
}


@dataclass(frozen=True, slots=True)
class MeasuredRow:
    """One account in the table, its numbers as a person reads them."""

    name: str
    cells: tuple[str, ...]
    is_ensemble: bool


def policy_page(report: PolicyReport) -> str:
    """One HTML document; the same report gives the same text."""
    metrics = {metric.key: metric for _, group in METRIC_GROUPS for metric in group}
    return (
        page_environment("agv2.app.policy_page")
        .get_template("policies.html.jinja")
        .render(
            style=page_asset("report.css") + page_asset("evidence.css", "agv2.app.encoder_page"),
            report=report,
            symbols=[span.symbol for span in report.spans],
            headline=headline(report),
            columns=[metrics[key].label for key in SHOWN],
            rows=measured_rows(report),
            equity=_equity(report),
            looks=_looks(report.seeds),
            curves=_learning(report.seeds),
            styles=[(f"s{number % _STYLES}", one.seed) for number, one in enumerate(report.seeds)],
            spans=[
                (span, *map(format_stamp, (span.first_ns, span.train_until_ns, span.test_from_ns, span.last_ns)))
                for span in report.spans
            ],
        )
    )


def headline(report: PolicyReport) -> str:
    """What came of it, in a sentence."""
    metrics = {metric.key: metric for _, group in METRIC_GROUPS for metric in group}
    values = report.ensemble.report.values()
    said = {key: format_number(values[key], metrics[key].unit, signed=metrics[key].signed) for key in SHOWN}
    count = len(report.seeds)
    who = "The policy" if count == 1 else f"{count} policies as one"
    return f"{who}: {said['net_return']} on bars held out, Sharpe ratio {said['sharpe']}, {said['trades']} trades"


def measured_rows(report: PolicyReport) -> list[MeasuredRow]:
    """All policies as one, each policy, then the baselines."""
    seeds = [(f"seed {one.seed}", one.test) for one in report.seeds]
    baselines = [(in_words(name), books) for name, books in report.baselines.items()]
    first = [("all seeds as one", report.ensemble)] if len(seeds) > 1 else []
    return [_row(name, books) for name, books in (*first, *seeds, *baselines)]


def _row(name: str, books: MeasuredBooks) -> MeasuredRow:
    metrics = {metric.key: metric for _, group in METRIC_GROUPS for metric in group}
    values = books.report.values()
    cells = tuple(format_number(values[key], metrics[key].unit, signed=metrics[key].signed) for key in SHOWN)
    return MeasuredRow(name, cells, name == "all seeds as one")


def _equity(report: PolicyReport) -> CurvePanel | None:
    """Gain since the first test bar: each seed, all as one, and what holding would have made."""
    books = [
        ("s0", "all seeds as one", report.ensemble),
        *(("s5", f"seed {one.seed}", one.test) for one in report.seeds if len(report.seeds) > 1),
        *(("s1", in_words(name), found) for name, found in report.baselines.items() if name != "flat"),
    ]
    stamps = report.ensemble.curve.ts_ns
    first, width = int(stamps[0]), max(int(stamps[-1] - stamps[0]), 1)
    lines = [
        DrawnLine(style, name, (found.curve.ts_ns - first) / width, found.curve.equity / found.curve.equity[0] - 1.0)
        for style, name, found in books
    ]
    ticks = [
        Tick(100.0 * float(stamps[int(tick.value)] - first) / width, tick.text)
        for tick in time_ticks(stamps, at_most=6)
    ]
    return curve_panel("Gain since the first test bar", lines, 1.0, steps=ticks, fractions=True)


def _looks(seeds: Sequence[TrainedSeed]) -> CurvePanel | None:
    lines = [
        DrawnLine(
            f"s{number % _STYLES}",
            f"seed {one.seed}",
            np.array([look["step"] for look in one.looks], dtype=np.float64),
            np.array([look["sharpe_per_bar"] for look in one.looks], dtype=np.float64),
        )
        for number, one in enumerate(seeds)
    ]
    return curve_panel("Sharpe ratio per bar of the validation block", lines, _last(seeds), _kept(seeds))


def _learning(seeds: Sequence[TrainedSeed]) -> list[CurvePanel]:
    panels = []
    for key, title in _CURVES.items():
        lines = []
        for number, one in enumerate(seeds):
            points = [(point["step"], point[key]) for point in one.curve if key in point and np.isfinite(point[key])]
            across, values = np.array(points, dtype=np.float64).reshape(-1, 2).T
            lines.append(DrawnLine(f"s{number % _STYLES}", f"seed {one.seed}", across, values))
        panels.append(curve_panel(title, lines, _last(seeds), _kept(seeds)))
    return [panel for panel in panels if panel is not None]


def _last(seeds: Sequence[TrainedSeed]) -> float:
    return max(float(one.facts["steps"]) for one in seeds)


def _kept(seeds: Sequence[TrainedSeed]) -> list[float]:
    return [float(one.facts["best_step"]) for one in seeds]
