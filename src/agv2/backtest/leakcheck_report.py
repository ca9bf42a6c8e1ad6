"""What a leak check found, as values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agv2.backtest.leakcheck_perturbations import Perturbation

__all__ = ["Leak", "LeakReport", "PassedCheck", "StageResult"]


@dataclass(frozen=True, slots=True)
class Leak:
    """A value that moved although nothing did that was known when it was."""

    stage: str
    column: str
    perturbation: Perturbation
    place: int
    """Last bar that was left as it was; for a moved clock the weeks, for a shorter head the bars left out."""
    row: int
    """First bar that differs."""
    ts_ns: int
    """Open time of that bar."""
    before: float
    after: float

    def __str__(self) -> str:
        """One sentence."""
        what = {
            Perturbation.CLOCK: f"all stamps were moved by {self.place} weeks",
            Perturbation.HEAD: f"the first {self.place} bars were left out",
            Perturbation.TRUNCATION: f"the bars after bar {self.place} were cut off",
        }.get(self.perturbation, f"only bars after bar {self.place} were changed ({self.perturbation.value})")
        where = f"{self.stage}, column {self.column}"
        return f"{where}: {self.before:.6g} at bar {self.row} became {self.after:.6g} when {what}"


class StageResult(NamedTuple):
    """What became of one stage."""

    name: str
    columns: int
    comparisons: int
    """Columns compared, once for each perturbed history."""
    leaks: tuple[Leak, ...]
    """The first of each column and perturbation."""

    @property
    def leaking_columns(self) -> tuple[str, ...]:
        """Columns that moved, each once."""
        return tuple(dict.fromkeys(leak.column for leak in self.leaks))


class LeakReport(NamedTuple):
    """What became of all stages."""

    stages: tuple[StageResult, ...]
    notes: tuple[str, ...]
    """What could not be checked on these bars, and why."""

    @property
    def leaks(self) -> tuple[Leak, ...]:
        """Of all stages, in their order."""
        return tuple(leak for stage in self.stages for leak in stage.leaks)

    @property
    def columns(self) -> int:
        """Columns checked."""
        return sum(stage.columns for stage in self.stages)

    @property
    def comparisons(self) -> int:
        """Columns compared, over all perturbed histories."""
        return sum(stage.comparisons for stage in self.stages)


@dataclass(frozen=True, slots=True)
class PassedCheck:
    """What was checked on one symbol's bars before a run began, and did not move."""

    symbol: str
    seed: int
    stages: Sequence[str]
    columns: int
    comparisons: int
    notes: Sequence[str]
    """What could not be checked on these bars, and why."""
