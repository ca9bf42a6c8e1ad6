"""Numbers into SVG path data, in a square of 1000 x 1000 that the page stretches to fit."""

from itertools import pairwise

import numpy as np

from agv2.core.arrays import FloatArray, IntArray

__all__ = ["SPAN", "keep_extremes", "level_path", "line_path"]

SPAN = 1000.0


def keep_extremes(values: FloatArray, points: int) -> IntArray:
    """Indices of about `points` values whose line looks like the whole: each stretch keeps its lowest and highest.

    Args:
        values: (n,) finite.
        points: how many to keep, >= 4; all are kept when there are no more.

    Returns:
        Rising indices; the first and last value, the minimum and the maximum are always among them.
    """
    n = len(values)
    if n <= points:
        return np.arange(n)
    edges = np.linspace(0, n, points // 2 + 1).astype(np.int64)
    kept = {0, n - 1}
    for first, last in pairwise(edges.tolist()):
        stretch = values[first:last]
        kept.update((first + int(stretch.argmin()), first + int(stretch.argmax())))
    return np.array(sorted(kept), dtype=np.int64)


def line_path(x: FloatArray, y: FloatArray, *, close_at: float | None = None, steps: bool = False) -> str:
    """Path through the points; with `close_at`, the area between them and that height.

    Args:
        x: (n,) across, 0 to SPAN.
        y: (n,) down, 0 to SPAN.
        close_at: height of the area's far edge.
        steps: hold each height until the next point instead of sloping towards it.
    """
    if len(x) == 0:
        return ""
    if steps:
        changed = np.concatenate(([True], y[1:] != y[:-1]))
        turns = "".join(
            f"H{across:.4g}V{down:.4g}" for across, down in zip(x[changed][1:], y[changed][1:], strict=True)
        )
        points = f"{x[0]:.4g} {y[0]:.4g}{turns}H{x[-1]:.4g}"
    else:
        points = "L".join(f"{across:.4g} {down:.4g}" for across, down in zip(x, y, strict=True))
    if close_at is None:
        return f"M{points}"
    return f"M{x[0]:.4g} {close_at:.4g}L{points}L{x[-1]:.4g} {close_at:.4g}Z"


def level_path(y: FloatArray, width: float) -> str:
    """A level drawn through each stretch of bars at which it stays the same, with gaps where it is NaN.

    Args:
        y: (n_bars,) down, 0 to SPAN.
        width: of a bar.
    """
    parts, i = [], 0
    while i < len(y):
        j = i + 1
        while j < len(y) and y[j] == y[i]:
            j += 1
        if np.isfinite(y[i]):
            parts.append(f"M{i * width:.4g} {y[i]:.4g}H{j * width:.4g}")
        i = j
    return "".join(parts)
