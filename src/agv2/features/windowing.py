"""Windows of one feature matrix, by index and without copies of it."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from agv2.core.arrays import IntArray
from agv2.core.errors import ShapeError

__all__ = ["gather_windows", "sliding_windows"]

Number = TypeVar("Number", bound=np.generic)


def sliding_windows(values: NDArray[Number], window: int) -> NDArray[Number]:
    """Every window of `window` bars, as a read-only view: nothing is copied.

    Args:
        values: (n_bars, n_features).
        window: bars in each window, >= 1.

    Returns:
        (n_bars - window + 1, window, n_features) view of `values`; window i ends with bar `i + window - 1`. No
        windows where there are fewer bars than that.

    Raises:
        ShapeError: `values` is no matrix, or `window` is not positive.

    Known at: window i at the close of its last bar, if every row of `values` is known at the close of its bar.
    """
    if values.ndim != 2 or window < 1:
        raise ShapeError(f"expected (n_bars, n_features) and a window >= 1, found {values.shape} and {window}")
    if len(values) < window:
        empty: NDArray[Number] = np.empty((0, window, values.shape[1]), dtype=values.dtype)
        return empty
    view: NDArray[Any] = np.lib.stride_tricks.sliding_window_view(values, window, axis=0)
    return view.transpose(0, 2, 1)


def gather_windows(values: NDArray[Number], last_rows: IntArray, window: int) -> NDArray[Number]:
    """The windows that end with the given bars, copied into one batch.

    Args:
        values: (n_bars, n_features).
        last_rows: (n,) index of each window's last bar, from `window - 1` to `n_bars - 1`; any order, repeats allowed.
        window: bars in each window, >= 1.

    Returns:
        (n, window, n_features), contiguous.

    Raises:
        ShapeError: `values` is no matrix, a window begins before the first bar, or ends after the last one.

    Known at: as `sliding_windows`.
    """
    windows = sliding_windows(values, window)
    first = np.asarray(last_rows) - (window - 1)
    # Checked here, because a negative index would quietly take a window from the end.
    outside = (first < 0) | (first >= len(windows))
    if outside.any():
        row = int(np.asarray(last_rows)[np.argmax(outside)])
        raise ShapeError(f"no window of {window} bars ends with bar {row} of {len(values)}")
    gathered: NDArray[Number] = np.ascontiguousarray(windows[first])
    return gathered
