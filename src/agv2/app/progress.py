"""What a person sees while a run works: the stage, the fold and the time left."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import NamedTuple

import structlog
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from agv2.app.workers.tasks import AtWork

__all__ = ["RunProgress", "StageWork", "waiting"]


class StageWork(NamedTuple):
    """A stage and how long it takes in proportion to the others."""

    label: str
    weight: float


class _TimeLeft(ProgressColumn):
    """Time left, from the share of the work that is done: stages differ too much for a rate of steps."""

    def render(self, task: Task) -> Text:
        elapsed, done = task.elapsed or 0.0, task.completed / (task.total or 1.0)
        if done < 0.02 or elapsed < 2.0:
            return Text("estimating time left", style="dim")
        return Text(f"{_clock(elapsed * (1.0 - done) / done)} left", style="cyan")


class _Bar(Progress):
    """A bar with something below it."""

    below: RenderableType | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar, then what is below it."""
        yield from super().get_renderables()
        if self.below is not None:
            yield self.below


class RunProgress:
    """One line that moves on a terminal, one line per stage elsewhere; on standard error either way."""

    def __init__(self, stages: Sequence[StageWork], *, quiet: bool = False) -> None:
        """Lay out the work.

        Args:
            stages: every stage of the run in order, finished ones included.
            quiet: show nothing.
        """
        self._weights = {stage.label: stage.weight for stage in stages}
        self._total = sum(self._weights.values())
        self._done = 0.0
        self._console = Console(stderr=True)
        self._quiet = quiet
        self._live = not quiet and self._console.is_terminal
        self._bar = _Bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            _TimeLeft(),
            TextColumn("[dim]{task.fields[detail]}"),
            console=self._console,
            disable=not self._live,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=self._total, detail="")
        self._started = time.monotonic()
        self.seconds: dict[str, float] = {}

    def __enter__(self) -> "RunProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def note(self, text: str) -> None:
        """Say something that the reader of the results must know."""
        if not self._quiet:
            self._console.print(f"note: {text}", highlight=False, markup=False, soft_wrap=True)

    def skip(self, label: str) -> None:
        """Count a stage that an earlier, interrupted run has finished."""
        self._done += self._weights[label]
        self._bar.update(self._task, completed=self._done)
        structlog.get_logger().info("stage skipped", stage=label)
        self._say(f"{label}: done before")

    @contextmanager
    def stage(self, label: str) -> Iterator["RunProgress"]:
        """Show `label` while the block works; its seconds go into `seconds`."""
        self._bar.update(self._task, description=label, detail="")
        self._current = self._weights[label]
        began = time.monotonic()
        try:
            yield self
        finally:
            self._bar.below = None
        self.finished(label, time.monotonic() - began)

    def finished(self, label: str, seconds: float) -> None:
        """Count a stage that took so many seconds, here or in another process."""
        self.seconds[label] = seconds
        structlog.get_logger().info("stage finished", stage=label, seconds=round(seconds, 3))
        self._done += self._weights[label]
        self._bar.update(self._task, completed=self._done)
        elapsed = time.monotonic() - self._started
        left = elapsed * (self._total - self._done) / self._done if self._done else 0.0
        self._say(f"{label}: {seconds:.1f} s  ({self._done / self._total:.0%}, about {_clock(left)} left)")

    def working(self, tasks: Mapping[str, AtWork]) -> None:
        """Show stages that other processes work on: together on the bar, each on a line below it."""
        begun = sum(self._weights[label] * state.fraction for label, state in tasks.items())
        table = Table.grid(padding=(0, 2))
        for label, state in sorted(tasks.items()):
            table.add_row(f"  {label}", f"{state.fraction:.0%}", Text(f"{state.detail}  {state.where}", "dim"))
        self._bar.below = table if tasks else None
        count = f"{len(tasks)} stages at work" if len(tasks) != 1 else "1 stage at work"
        self._bar.update(self._task, description=count, completed=self._done + begun, detail="")

    def update(self, fraction: float, detail: str = "") -> None:
        """Show how far the current stage is, 0 to 1, and a few words on how it goes."""
        self._bar.update(self._task, completed=self._done + self._current * min(max(fraction, 0.0), 1.0), detail=detail)

    def show(self, below: RenderableType, line: str) -> None:
        """Show something that changes now and then: below the bar on a terminal, as a line elsewhere.

        Args:
            below: until the stage ends, or something else is shown.
            line: the same in a line; empty where it has been said.
        """
        self._bar.below = below
        if line:
            self._say(line)

    def _say(self, line: str) -> None:
        if not self._quiet and not self._live:
            self._console.print(line, highlight=False, soft_wrap=True)


@contextmanager
def waiting(what: str, *, quiet: bool = False) -> Iterator[None]:
    """Say `what` is being done before the run begins, which takes seconds, more when kernels are compiled first."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
