"""Features, computed column by column, as rows of the matrix."""

from collections.abc import Sequence

import numpy as np

from agv2.core.arrays import Float32Array, IntArray
from agv2.core.jit import kernel
from agv2.features.feature_inputs import FeatureInputs
from agv2.features.feature_spec import FeatureSpec

__all__ = ["write_rows", "write_seen_rows"]


def write_rows(specs: Sequence[FeatureSpec], inputs: FeatureInputs, rows: Float32Array) -> None:
    """Each feature of the newest bars.

    Args:
        specs: one a column.
        inputs: of those bars and of all before them that the features read.
        rows: (n_rows, n_features) filled, a row for each of the newest `n_rows` bars.
    """
    # Not straight into the matrix: a column's numbers lie far apart there.
    n_rows = rows.shape[0]
    columns = np.empty((len(specs), n_rows), dtype=np.float32)
    for column, spec in zip(columns, specs, strict=True):
        column[:] = spec.function(inputs)[-n_rows:]
    rows[:] = columns.T


@kernel
def write_seen_rows(coarse_rows: Float32Array, visible: IntArray, rows: Float32Array) -> None:
    """The row of the coarse bar that each base bar sees; NaN where it sees none yet.

    Args:
        coarse_rows: (n_coarse, n_features) a row for each coarse bar.
        visible: (n_rows,) index of the coarse bar seen, -1 for none.
        rows: (n_rows, n_features) filled.
    """
    for t in range(visible.size):
        if visible[t] < 0:
            rows[t] = np.nan
        else:
            rows[t] = coarse_rows[visible[t]]
