"""Probabilities that price turns at a band, from what stands near it: what the level head has to beat."""

from collections.abc import Sequence

import numpy as np

from agv2.core.arrays import FloatArray, Int8Array, IntArray
from agv2.models.head_baselines import turn_shares
from agv2.models.training_rows import TrainingSeries

__all__ = ["level_baselines"]

EDGES = (0.0, 1.0, 2.0, 4.0)  # σ from a band to the nearest level: inside, up to each of these, beyond, no level at all
N_DISTANCES = len(EDGES) + 2
PRIOR_REACHES = 10  # a cell of the table is drawn to its band's share as by ten independent rows, which overlap not


def level_baselines(
    fit: Sequence[TrainingSeries],
    train: Sequence[range],
    asked: TrainingSeries,
    score: range,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    """Probabilities of the scored rows by each baseline.

    Args:
        fit: symbols to fit on, together.
        train: rows of each that are fitted on.
        asked: the symbol to predict.
        score: its rows.
        rng: of the random levels.

    Returns:
        (n_rows, n_bands) by name: `band frequencies` is each band's share of the training rows; `distance to level`
        the share by band and by how far the band is from the nearest level, above or below; `random levels` the same
        with the levels of another bar, drawn at random.

    Known at: the close of each row's bar, given shares known at the end of training.
    """
    reacted = np.concatenate([one.reacted[rows.start : rows.stop] for one, rows in zip(fit, train, strict=True)])
    levels = np.concatenate([one.level_distance[rows.start : rows.stop] for one, rows in zip(fit, train, strict=True)])
    now = asked.level_distance[score.start : score.stop]
    prior = float(PRIOR_REACHES * max(asked.label_reach, 1))
    return {
        "band frequencies": np.tile(turn_shares(reacted), (len(score), 1)),
        "distance to level": _by_distance(reacted, levels, now, prior),
        "random levels": _by_distance(reacted, rng.permutation(levels), rng.permutation(now), prior),
    }


def _by_distance(reacted: Int8Array, levels: FloatArray, now: FloatArray, prior: float) -> FloatArray:
    n_bands = reacted.shape[1]
    cells = _cells(levels, n_bands)
    known, turned = (
        np.bincount(cells[chosen], minlength=n_bands * N_DISTANCES) for chosen in (reacted >= 0, reacted > 0)
    )
    shares = np.repeat(turn_shares(reacted), N_DISTANCES)
    table: FloatArray = (turned + prior * shares) / (known + prior)
    return table[_cells(now, n_bands)]


def _cells(levels: FloatArray, n_bands: int) -> IntArray:
    """(n_rows, n_bands) place in the table of each band, by its distance from the nearer of the two levels."""
    low = np.arange(n_bands) - n_bands // 2
    places = (levels[:, :1], -levels[:, 1:])  # above and below the close
    distance = np.fmin(*(np.maximum(np.maximum(low - place, place - (low + 1)), 0.0) for place in places))
    kind = np.where(np.isnan(distance), N_DISTANCES - 1, np.searchsorted(EDGES, distance))
    return np.arange(n_bands) * N_DISTANCES + kind
