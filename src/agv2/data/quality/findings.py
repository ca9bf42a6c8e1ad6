"""What a check found: how bad, how often, where, what it would do to a model, and what to do about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.data.quality.words import WORDS

__all__ = ["Finding", "Place", "Severity", "finding", "places_at"]

_MOST_PLACES = 5


class Severity(Enum):
    """Who must act: an error stops a run, a warning is reported, information explains."""

    ERROR = "ERROR"
    WARNING = "WARNING"
    INFO = "INFO"


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a finding."""

    ts_ns: int
    """Open of the bar, nanoseconds UTC."""
    value: str
    """What is there, in a few words."""
    row: int | None = None
    """Row of the file, from 0; None where the place is between rows or on several."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of defect in one file."""

    id: str
    severity: Severity
    count: int
    share: float
    """Of the rows, bars or expected bars that were looked at, 0 to 1."""
    places: tuple[Place, ...]
    """The worst first."""
    evidence: str
    """What was found, one sentence or a part of one."""

    @property
    def title(self) -> str:
        """Two or three words for a table."""
        return WORDS[self.id].title

    @property
    def unit(self) -> str:
        """What `count` counts."""
        return WORDS[self.id].unit

    @property
    def effect(self) -> str:
        """What it would do to a model, one sentence."""
        return WORDS[self.id].effect

    @property
    def remedy(self) -> str:
        """What to do about it, one sentence."""
        return WORDS[self.id].remedy


def finding(
    name: str, severity: Severity, count: int, of: int, places: Sequence[Place] = (), evidence: str = ""
) -> Finding:
    """A finding of `count` among `of`; only the first places are kept."""
    return Finding(name, severity, int(count), count / of if of else 0.0, tuple(places[:_MOST_PLACES]), evidence)


def places_at(
    rows: IntArray, ts_ns: IntArray, values: Iterable[str] | None = None, badness: FloatArray | None = None
) -> list[Place]:
    """The worst places among `rows`: those of the greatest `badness` first, else the earliest.

    Args:
        rows: (n,) row numbers of the file.
        ts_ns: (n,) their stamps.
        values: (n,) what is there; None: nothing to say.
        badness: (n,) how bad; None: all alike.
    """
    texts = list(values) if values is not None else [""] * rows.size
    order = np.arange(rows.size) if badness is None else np.argsort(-badness, kind="stable")
    return [Place(int(ts_ns[i]), texts[i], int(rows[i])) for i in order[:_MOST_PLACES]]
