"""A study as one HTML page that needs nothing but itself."""

from dataclasses import dataclass

import numpy as np

from agv2.app.tuning.report import TuningReport
from agv2.app.tuning.words import MEASURES, cost_sentence, headline, luck_sentence, score_text, setting_text, trial_rows
from agv2.backtest.report.assets import page_asset, page_environment
from agv2.backtest.report.numerals import Unit, format_number, format_stamp
from agv2.backtest.report.paths import SPAN, line_path
from agv2.backtest.report.scales import Tick, value_ticks

__all__ = ["History", "history", "tuning_page"]

_ROOM = 0.08


@dataclass(frozen=True, slots=True)
class Dot:
    """One trial; places in per cent."""

    left: float
    top: float
    style: str
    title: str


@dataclass(frozen=True, slots=True)
class History:
    """Score of each trial in its turn, and the best so far."""

    dots: tuple[Dot, ...]
    best: str
    """Path in a square of 1000."""
    current: float
    """Where the settings as they were lie, per cent from the top."""
    ticks: tuple[Tick, ...]
    steps: tuple[Tick, ...]


def tuning_page(report: TuningReport) -> str:
    """One HTML document; the same report gives the same text."""
    plan = report.plan
    return (
        page_environment("agv2.app.tuning")
        .get_template("tuning.html.jinja")
        .render(
            style=page_asset("report.css") + page_asset("evidence.css", "agv2.app.encoder_page"),
            report=report,
            plan=plan,
            folds=plan.task({}).n_folds,
            measure=MEASURES[plan.tuning.measure],
            headline=headline(report),
            luck=luck_sentence(report),
            cost=cost_sentence(report),
            history=history(report),
            rows=trial_rows(report),
            importances=[
                (one.parameter, 100.0 * one.of_all, _percent(one.of_all), _percent(one.of_best))
                for one in report.importances
            ],
            chosen=_chosen(report),
            data_end=format_stamp(plan.data_end_ns),
            first_test=format_stamp(plan.first_test_ns),
            counts=_counts(report),
        )
    )


def history(report: TuningReport) -> History | None:
    """The trials with a score, in turn; None below two of them."""
    tried = [each for each in report.trials if each.score is not None]
    whole = [each for each in tried if each.state == "complete"]
    if len(tried) < 2 or not whole:
        return None
    scores = np.array([each.score for each in tried], dtype=np.float64)
    room = _ROOM * float(np.ptp(scores)) or 0.1
    low, high, last = float(scores.min()) - room, float(scores.max()) + room, max(report.trials[-1].number, 1)

    def top(score: float) -> float:
        return 100.0 * (high - score) / (high - low)

    dots = tuple(
        Dot(
            100.0 * each.number / last,
            top(score),
            each.state,
            f"trial {each.number}: {score_text(score)}, {each.state}",
        )
        for each, score in zip(tried, scores.tolist(), strict=True)
    )
    numbers = np.array([each.number for each in whole], dtype=np.float64)
    best = np.maximum.accumulate(np.array([each.score for each in whole], dtype=np.float64))
    across = np.append(np.repeat(numbers, 2)[1:], float(last))  # a step where a better one comes
    path = line_path(SPAN * across / last, SPAN * (high - np.repeat(best, 2)) / (high - low))
    first = report.current
    return History(
        dots,
        path,
        top(first.score) if first is not None and first.score is not None else -1.0,
        tuple(Tick(top(mark), f"{mark:g}") for mark in value_ticks(low, high, 5)),
        tuple(Tick(100.0 * mark / last, f"{mark:,.0f}") for mark in value_ticks(0.0, float(last), 6) if mark % 1 == 0),
    )


def _chosen(report: TuningReport) -> list[tuple[str, str, str]]:
    """Each setting as it was and as the best trial has it."""
    if report.best is None:
        return []
    now = report.plan.space.current
    return [(name, setting_text(now[name]), setting_text(value)) for name, value in report.best.parameters.items()]


def _counts(report: TuningReport) -> str:
    states = [each.state if each.repeats is None else "repeated" for each in report.trials]
    words = {
        "complete": "measured whole",
        "pruned": "ended early",
        "repeated": "repeated an earlier one",
        "failed": "failed",
        "open": "unfinished",
    }
    found = [f"{states.count(state)} {word}" for state, word in words.items() if state in states]
    return f"{len(states)} trial{'s' if len(states) != 1 else ''}: {', '.join(found)}" if found else "no trial yet"


def _percent(share: float | None) -> str:
    return format_number(share, Unit.PERCENT)
