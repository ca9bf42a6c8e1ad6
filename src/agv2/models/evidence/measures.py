"""What is known of predictions beside their loss."""

import numpy as np

from agv2.core.arrays import FloatArray, Int8Array
from agv2.models.discrimination import within_band_auc
from agv2.models.row_losses import brier_rows

__all__ = ["level_measures", "quantile_measures"]

NEAR_SIGMAS, MIDDLE_SIGMAS = 2, 5  # where the far edge of a band lies from the close


def quantile_measures(quantiles: FloatArray, future: FloatArray, levels: FloatArray) -> dict[str, float]:
    """How often returns fell where they were said to.

    Args:
        quantiles: (n_rows, n_levels) predicted, rising.
        future: (n_rows,) what came; NaN where unknown.
        levels: (n_levels,) of the quantiles, rising.

    Returns:
        `coverage_90` and the like, the share of returns within each central interval; `pit_0`, `pit_1`, ..., the share
        below the lowest quantile, between it and the next, and so on; `pit_deviation`, by how much the worst of these
        misses its nominal share. NaN where no return is known.

    Source: Dawid (1984), Journal of the Royal Statistical Society A 147(2), 278-292, for the probability integral
        transform, here known to the nearest interval.
    """
    known = np.isfinite(future)
    place = (future[known, None] > quantiles[known]).sum(axis=1)
    counts = np.bincount(place, minlength=len(levels) + 1)
    shares = counts / counts.sum() if counts.sum() else np.full(len(counts), np.nan)
    nominal = np.diff(levels, prepend=0.0, append=1.0)
    measures = {}
    for low, level in enumerate(levels[levels < 0.5]):
        high = int(np.argmin(np.abs(levels - (1.0 - level))))
        if np.isclose(levels[high], 1.0 - level):
            measures[f"coverage_{100.0 * (1.0 - 2.0 * level):.3g}"] = float(shares[low + 1 : high + 1].sum())
    measures |= {f"pit_{place}": float(share) for place, share in enumerate(shares)}
    measures["pit_deviation"] = float(np.abs(shares - nominal).max())
    return measures


def level_measures(probs: FloatArray, reacted: Int8Array) -> dict[str, float]:
    """How well a map of levels tells where price turns.

    Args:
        probs: (n_rows, n_bands) that price turns; half of the bands below the close, lowest first, each one σ high.
        reacted: (n_rows, n_bands) 1 where it did, 0 where it did not, -1 where unknown.

    Returns:
        `auc` within bands; the same and the Brier score of bands within 2 σ of the close (`auc_near`, `brier_near`),
        within 5 σ (`..._middle`) and beyond (`..._far`). NaN where nothing is known.
    """
    n_bands = probs.shape[1]
    low = np.arange(n_bands) - n_bands // 2
    reach = np.maximum(low + 1, -low)
    groups = {
        "near": reach <= NEAR_SIGMAS,
        "middle": (reach > NEAR_SIGMAS) & (reach <= MIDDLE_SIGMAS),
        "far": reach > MIDDLE_SIGMAS,
    }
    measures = {"auc": within_band_auc(probs, reacted)}
    for name, bands in groups.items():
        losses = brier_rows(probs[:, bands], reacted[:, bands])
        known = losses[np.isfinite(losses)]
        measures[f"auc_{name}"] = within_band_auc(probs[:, bands], reacted[:, bands])
        measures[f"brier_{name}"] = float(known.mean()) if known.size else float("nan")
    return measures
