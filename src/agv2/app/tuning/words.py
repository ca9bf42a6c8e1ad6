"""A study in words and numerals, the same on the page and in the terminal."""

import json
from dataclasses import dataclass

from agv2.app.tuning.report import TriedSettings, TuningReport
from agv2.app.tuning.space import Value
from agv2.backtest.report.numerals import Unit, format_number

__all__ = ["TrialRow", "headline", "score_text", "trial_rows"]

MEASURES = {"sharpe": "Sharpe ratio", "growth": "log growth a year"}


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial in a table."""

    number: str
    state: str
    score: str
    over_current: str
    folds: str
    settings: str
    """Those that differ from the settings as they were."""
    is_best: bool


def headline(report: TuningReport) -> str:
    """What came of it, in a sentence."""
    if report.best is None:
        return "No trial was completed"
    if report.current is None or report.gain is None:
        return f"Trial {report.best.number} is best: {score_text(report.best.score)}"
    before = f"the settings as they were: {score_text(report.current.score)}"
    if report.best.number == 0 or report.gain <= 0.0:
        return f"Nothing tried is better than {before}"
    return f"Trial {report.best.number} is best: {score_text(report.best.score)}, {before}"


def luck_sentence(report: TuningReport) -> str:
    """How much of the best score luck may explain."""
    if report.by_luck is None or report.over_mean is None:
        return "Too few trials were measured whole to say what luck alone would make of them."
    larger = "more than" if report.over_mean > report.by_luck else "no more than"
    return (
        f"The best lies {score_text(report.over_mean)} above the mean of the trials that were measured whole, {larger} "
        f"the {score_text(report.by_luck)} that luck alone would give the best of so many that differ as much."
    )


def cost_sentence(report: TuningReport) -> str:
    """What the study costs the run."""
    return (
        f"The ledger counts {report.counted:,} trial{'s' if report.counted != 1 else ''} on these bars: without skill, "
        f"the best of so many would show a Sharpe ratio of about {score_text(report.hurdle)} on the run's "
        f"{report.plan.test_days:,} test days, and agv2 run deflates by it."
    )


def score_text(value: float | None) -> str:
    """A score, signed."""
    return format_number(value, Unit.RATIO, signed=True)


def setting_text(value: Value) -> str:
    """A value as a settings file would have it, to four digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def trial_rows(report: TuningReport) -> list[TrialRow]:
    """The trials by score, those without one last."""
    order = {"complete": 0, "pruned": 1, "open": 2, "failed": 3}
    ranked = sorted(
        report.trials, key=lambda each: (order[each.state], -(each.score or 0.0) if each.score is not None else 0.0)
    )
    if report.best is not None:  # of equals the first, as it was chosen
        ranked.sort(key=lambda each: each.number != report.best.number if report.best else True)
    return [_row(each, report) for each in ranked]


def _row(trial: TriedSettings, report: TuningReport) -> TrialRow:
    current = report.current
    over = None
    if trial.state == "complete" and trial.score is not None and current is not None and current.score is not None:
        over = trial.score - current.score
    changed = [
        f"{name} {setting_text(value)}"
        for name, value in trial.parameters.items()
        if value != report.plan.space.current.get(name)
    ]
    state = trial.state if trial.repeats is None else f"as trial {trial.repeats}"
    return TrialRow(
        number=str(trial.number),
        state=state if not trial.reason else f"{state}: {trial.reason}",
        score=score_text(trial.score),
        over_current=score_text(over),
        folds="  ".join(score_text(each) for each in trial.fold_scores),
        settings=", ".join(changed) or "as they were",
        is_best=report.best is not None and trial.number == report.best.number,
    )
