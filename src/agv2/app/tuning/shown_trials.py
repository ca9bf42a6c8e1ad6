"""Trials shown on the display of a study, wherever they are done."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import structlog

from agv2.app.workers.tasks import AtWork

__all__ = ["ShownTrials"]


class _Display(Protocol):
    def moved(self, number: int, share: float, words: str) -> None:
        """How far a trial is, 0 to 1."""


class ShownTrials:
    """A task watcher for tasks whose labels are `trial N`."""

    def __init__(self, display: _Display) -> None:
        """Show on `display`."""
        self._display, self._number = display, 0

    @contextmanager
    def stage(self, label: str) -> Iterator[None]:
        """A trial that this process does."""
        self._number = _number(label)
        yield

    def update(self, fraction: float, detail: str = "") -> None:
        """How far it is."""
        self._display.moved(self._number, fraction, detail)

    def working(self, tasks: Mapping[str, AtWork]) -> None:
        """Trials that other processes do: the first of them, and how far all are together."""
        if tasks:
            first = min(tasks, key=_number)
            others = f", {len(tasks)} at once" if len(tasks) > 1 else ""
            share = sum(task.fraction for task in tasks.values())
            self._display.moved(_number(first), share, tasks[first].detail + others)

    def finished(self, label: str, seconds: float) -> None:
        """Told once its result is written down."""

    def note(self, text: str) -> None:
        """Into the log."""
        structlog.get_logger().warning(text)


def _number(label: str) -> int:
    return int(label.removeprefix("trial "))
