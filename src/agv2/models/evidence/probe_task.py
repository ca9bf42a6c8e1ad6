"""What a linear probe is to predict, and on which rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agv2.core.arrays import IntArray
from agv2.models.config import EncoderConfig
from agv2.models.evidence.stretches import mean_stretch
from agv2.models.tail_split import rows_with_target, tail_split
from agv2.models.training_rows import TrainingSeries

__all__ = ["TARGETS", "ProbeTask", "probe_tasks"]

TARGETS = {"regime": "log_loss", "pattern": "log_loss", "log_abs_return": "squared_error"}
"""What is probed for, and how a miss is measured."""

MIN_ROWS = 100
SMALLEST_RETURN = 0.1  # σ: below it the logarithm would be about the tick size and not about volatility


@dataclass(frozen=True, slots=True)
class ProbeTask:
    """One target; every row that takes part knows it.

    Attributes:
        target: one of `TARGETS`.
        values: of each symbol, (n_bars,) class numbers, or logarithms of the next bar's absolute return in σ.
        teach: of each symbol, rows that are fitted on with every shrinkage.
        tail: later rows that choose it.
        whole: rows that are fitted on then.
        asked: rows that are scored.
        overlap: of each symbol, rows for which one target hangs together with the next ones.
    """

    target: str
    values: Sequence[NDArray[Any]]
    teach: Sequence[IntArray]
    tail: Sequence[IntArray]
    whole: Sequence[IntArray]
    asked: Sequence[IntArray]
    overlap: Sequence[int]


def probe_tasks(
    series: Sequence[TrainingSeries], fit_rows: Sequence[range], score_rows: Sequence[range], config: EncoderConfig
) -> list[ProbeTask]:
    """The targets for which there are enough rows to fit on, 100 that teach and 100 in the tail.

    The tail is behind a purge of the window and the label reach, since the embedding reads the window.

    Args:
        series: the symbols.
        fit_rows: rows of each that probes are fitted on.
        score_rows: rows of each that are scored.
        config: the window.
    """
    purge = config.window - 1 + max(one.label_reach for one in series)
    stamps = [one.ts_ns for one in series]
    tasks = []
    for target in TARGETS:
        values = [_values(target, one) for one in series]
        known = [own >= 0 if TARGETS[target] == "log_loss" else np.isfinite(own) for own in values]
        whole, asked = (
            [rows_with_target(own, rows) for own, rows in zip(known, part, strict=True)]
            for part in (fit_rows, score_rows)
        )
        teach, tail = tail_split(stamps, whole, purge)
        if min(sum(len(rows) for rows in part) for part in (teach, tail)) >= MIN_ROWS:
            labels = [own[rows] for own, rows in zip(values, asked, strict=True)]
            overlap = [_overlap(target, one, own) for one, own in zip(series, labels, strict=True)]
            tasks.append(ProbeTask(target, values, teach, tail, whole, asked, overlap))
    return tasks


def _values(target: str, one: TrainingSeries) -> NDArray[Any]:
    if target == "log_abs_return":
        return np.log(np.maximum(np.abs(one.future[:, 0]), SMALLEST_RETURN))
    return one.regime if target == "regime" else one.pattern


def _overlap(target: str, one: TrainingSeries, labels: NDArray[Any]) -> int:
    if target == "regime":
        return mean_stretch(labels)
    return one.label_reach if target == "pattern" else 1
