"""What a person sees while bars are copied from the archive."""

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from agv2.data.archive_sync import SyncStep

__all__ = ["SyncProgress"]

_EVERY_S = 2.0


class SyncProgress:
    """A line that moves on a terminal, a line every two seconds elsewhere; on standard error either way.

    Args:
        quiet: show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True)
        self._quiet = quiet
        self._live = not quiet and self._console.is_terminal
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._live,
            transient=True,
        )
        self._task = self._bar.add_task("asking the archive", total=None, rate="")
        self._series = ""
        self._began = self._said = time.monotonic()

    def __enter__(self) -> "SyncProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def update(self, step: "SyncStep") -> None:
        """Show how far the series of `step` is."""
        now, series = time.monotonic(), f"{step.symbol} {step.timeframe.name}"
        if series != self._series:
            self._series, self._began = series, now
            self._bar.reset(self._task, description=series, total=step.total, rate="")
        rate = f"{step.done / (now - self._began):,.0f} bars/s" if step.done and now > self._began else ""
        self._bar.update(self._task, completed=step.done, total=step.total, rate=rate)
        if not self._quiet and not self._live and now - self._said >= _EVERY_S:
            self._said = now
            self._console.print(
                f"{series}: {step.done:,} of {step.total:,} bars  {rate}", highlight=False, markup=False
            )
