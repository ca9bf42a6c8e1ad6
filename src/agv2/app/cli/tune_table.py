"""A study in the terminal: how far it is, the best so far, and what it found."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import rich.box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from agv2.app.tuning.report import TuningReport
from agv2.app.tuning.words import MEASURES, cost_sentence, headline, luck_sentence, score_text, trial_rows

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["StudyProgress", "print_study", "study_progress"]

_WIDTH = 200  # where no terminal says how wide it is: one line a row
_SHOWN = 10


class StudyProgress:
    """A bar in a terminal, else a line a trial; on standard error."""

    def __init__(self, console: Console, bar: Progress | None) -> None:
        """Show on `console`, in `bar` where there is one."""
        self._console, self._bar = console, bar
        self._task = bar.add_task("study", total=1.0, detail="") if bar is not None else None
        self._total, self._done, self._best = 1, 0, ""
        self._started, self._ended = time.monotonic(), 0

    def began(self, done: int, total: int) -> None:
        """Trials that were there before, and those that there will be."""
        self._done, self._total = done, max(total, 1)
        self._started = time.monotonic()
        if done:
            self._console.print(f"{done} of {total} trials were done before", highlight=False)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=self._total, completed=done)

    def moved(self, number: int, share: float, words: str) -> None:
        """How far a trial is."""
        if self._bar is not None and self._task is not None:
            left = self._left(share)
            detail = "  ".join(part for part in (self._best, left, words) if part)
            self._bar.update(
                self._task, description=f"trial {number}", completed=min(self._done + share, self._total), detail=detail
            )

    def ended(self, trial: "FrozenTrial", best: "FrozenTrial | None") -> None:
        """A trial, and the best so far."""
        self._done, self._ended = self._done + 1, self._ended + 1
        self._best = f"best {score_text(best.value)} (trial {best.number})" if best is not None else "none complete yet"
        left = self._left(0.0)
        said = f"trial {trial.number}: {_ending(trial)}  ({self._done} of {self._total}, {self._best}"
        self._console.print(f"{said}{', ' + left if left else ''})", highlight=False, markup=False, soft_wrap=True)

    def _left(self, share: float) -> str:
        made = self._ended + share
        if made < 0.05 or self._done >= self._total:
            return ""
        seconds = (time.monotonic() - self._started) / made * max(self._total - self._done - share, 0.0)
        hours, minutes = divmod(round(seconds / 60.0), 60)
        return f"about {hours} h {minutes:02d} min left" if hours else f"about {max(minutes, 1)} min left"


@contextmanager
def study_progress(quiet: bool = False) -> Iterator[StudyProgress]:
    """Shows how a study goes while the block works."""
    console = Console(stderr=True, quiet=quiet)
    if not console.is_terminal:
        yield StudyProgress(console, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[detail]}"))
    with Progress(*columns, console=console, transient=True) as bar:
        yield StudyProgress(console, bar)


def print_study(report: TuningReport) -> None:
    """The best trials, what mattered, and what it cost; standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    table = Table(
        title=f"{MEASURES[report.plan.tuning.measure]} on bars before {_first_test(report)}", title_justify="left",
        title_style="bold", box=rich.box.SIMPLE_HEAD, pad_edge=False,
    )  # fmt: skip
    table.add_column("trial", justify="right", no_wrap=True)
    for name in ("score", "over the first"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("folds", "ended", "what it changed"):
        table.add_column(name)
    rows = trial_rows(report)
    for row in rows[:_SHOWN]:
        cells = (row.number, row.score, row.over_current, row.folds, row.state, row.settings)
        table.add_row(*map(Text, cells), style="bold" if row.is_best else "")
    console.print(table)
    if len(rows) > _SHOWN:
        console.print(Text(f"and {len(rows) - _SHOWN} more on the page", "dim"))
    if report.importances:
        shares = ", ".join(f"{one.parameter} {one.of_all:.0%}" for one in report.importances[:4])
        console.print(Text(f"what mattered most (fANOVA): {shares}"), soft_wrap=True)
    console.print(Text(f"{headline(report)}.", "bold"), soft_wrap=True)
    console.print(Text(f"{luck_sentence(report)} {cost_sentence(report)}"), soft_wrap=True)


def _ending(trial: "FrozenTrial") -> str:
    repeats = trial.user_attrs.get("repeats")
    if repeats is not None:
        return f"the same settings as trial {repeats}"
    if trial.state.name == "FAIL":
        return f"failed: {trial.user_attrs.get('reason', '')}"
    scores = trial.user_attrs.get("fold_scores", [])
    if trial.state.name == "PRUNED":
        return f"{score_text(trial.intermediate_values.get(len(scores)))} after fold {len(scores)}, pruned"
    return score_text(trial.value)


def _first_test(report: TuningReport) -> str:
    from agv2.backtest.report.numerals import format_stamp

    return format_stamp(report.plan.first_test_ns, time=False)
