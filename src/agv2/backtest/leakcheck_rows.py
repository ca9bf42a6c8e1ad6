"""Rows of a whole history against the same rows computed from nothing but the bars that decide them."""

from collections.abc import Callable

import numpy as np

from agv2.backtest.leakcheck_perturbations import Perturbation
from agv2.backtest.leakcheck_report import Leak, StageResult
from agv2.core.bars import Bars
from agv2.features.pipeline import FeatureMatrix
from agv2.utils.seeding import spawn_generators

__all__ = ["check_rows"]


def check_rows(
    bars: Bars, features: FeatureMatrix, features_of: Callable[[Bars], FeatureMatrix], n_rows: int, seed: int
) -> StageResult:
    """Compare rows all over a matrix with what the bars up to each give, bit for bit.

    No bar after a row is there when it is computed again, so whatever sees the future in many rows is found,
    wherever they lie; so is a matrix that does not belong to the bars.

    Args:
        bars: the whole history.
        features: of it, as they are used.
        features_of: what should have given them.
        n_rows: rows to compute again, those after the warm-up at most.
        seed: of their choice; the last row is always one of them.

    Returns:
        A leak for each column that differs, at its first row.
    """
    first = features.warmup
    n_rows = min(n_rows, max(len(bars) - first, 0))
    chosen = spawn_generators(seed, "rows")["rows"].permutation(np.arange(first, len(bars) - 1))[: max(n_rows - 1, 0)]
    found: dict[str, Leak] = {}
    for row in [*sorted(chosen.tolist()), len(bars) - 1][:n_rows]:
        alone = features_of(bars.slice(row - first, row + 1)).values[-1]
        used = features.values[row]
        for j in np.flatnonzero(~((used == alone) | (np.isnan(used) & np.isnan(alone)))):
            name, values = features.names[j], (float(used[j]), float(alone[j]))
            leak = Leak("rows", name, Perturbation.TRUNCATION, row, row, int(bars.ts_ns[row]), *values)
            found.setdefault(name, leak)
    return StageResult("rows", len(features.columns), n_rows * len(features.columns), tuple(found.values()))
