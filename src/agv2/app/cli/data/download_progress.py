"""What a person sees while bars are downloaded: how many, how fast, how far, how long still."""

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

if TYPE_CHECKING:
    from agv2.data.history import DownloadProgress as Step

__all__ = ["DownloadProgress"]

_EVERY_S = 2.0


class DownloadProgress:
    """A line that moves on a terminal, a line every two seconds elsewhere; on standard error either way.

    Args:
        title: what is downloaded.
        quiet: show nothing but notes.
    """

    def __init__(self, title: str, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True)
        self._title, self._quiet = title, quiet
        self._live = not quiet and self._console.is_terminal
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]}"),
            console=self._console,
            disable=not self._live,
            transient=True,
        )
        self._task = self._bar.add_task(f"{title}: signing in", total=1.0, detail="")
        self._began = self._said = time.monotonic()
        self.seconds = 0.0
        self._first: tuple[float, float] | None = None  # seconds and fraction when bars began to arrive

    def __enter__(self) -> "DownloadProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self) -> None:
        """Signed in: the clock of the rate starts."""
        self._began = time.monotonic()
        self._bar.update(self._task, description=self._title)

    def update(self, step: "Step") -> None:
        """Show how far the download is."""
        self.seconds = time.monotonic() - self._began
        rate = step.bars / max(self.seconds, 1e-9)
        left = self._time_left(step)
        detail = f"{step.bars:,} bars  {rate:,.0f} bars/s  {left}"
        self._bar.update(self._task, completed=step.fraction, detail=detail)
        self._say_now_and_then(f"{self._title}: {step.fraction:.0%}  {detail}")

    def archiving(self, sent: int) -> None:
        """Show that bars of earlier downloads are on their way to the archive."""
        detail = f"PostgreSQL is caught up: {sent:,} bars sent"
        self._bar.update(self._task, detail=detail)
        self._say_now_and_then(f"{self._title}: {detail}")

    def _time_left(self, step: "Step") -> str:
        """By the pace since the first bars: empty years before them are jumped in no time."""
        if self._first is None:
            if step.bars:
                self._first = self.seconds, step.fraction
            return ""
        seconds, fraction = self._first
        if step.fraction <= fraction:
            return ""
        return f"{_clock((self.seconds - seconds) * (1.0 - step.fraction) / (step.fraction - fraction))} left"

    def _say_now_and_then(self, line: str) -> None:
        now = time.monotonic()
        if not self._quiet and not self._live and now - self._said >= _EVERY_S:
            self._said = now
            self.say(line)

    def note(self, text: str) -> None:
        """Say something that the user must know, also where progress is not shown."""
        self.say(f"note: {text}")

    def say(self, line: str) -> None:
        """One plain line."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
