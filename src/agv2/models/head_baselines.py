"""What each head must beat: named predictions of every row that cost nothing, fitted on the training rows."""

from collections.abc import Sequence

import numpy as np

from agv2.core.arrays import BoolArray, Float32Array, FloatArray, Int8Array, IntArray
from agv2.models.training_rows import TrainingSeries
from agv2.models.variance_filter import EWMA, filtered_variance, past_returns

__all__ = ["class_baselines", "class_shares", "quantile_baselines", "reconstruction_baselines", "turn_shares"]

HAR_BARS = (1, 5, 22, 110, 440)
LEAST_VARIANCE = 1e-24  # of a price that never moved


def quantile_baselines(
    fit: Sequence[TrainingSeries], train: Sequence[range], asked: TrainingSeries, score: range, levels: FloatArray
) -> dict[str, FloatArray]:
    """Return quantiles of the scored rows by each baseline.

    Every baseline is an empirical distribution, per horizon, of the training returns divided by a scale:
    `unconditional` the bar's own volatility as it is; `EWMA` RiskMetrics' variance; `HAR` a least-squares forecast of
    the absolute return from its means over 1, 5, 22, 110 and 440 bars.

    Args:
        fit: symbols to fit on, together; the first horizon of `future` is one bar.
        train: rows of each that are fitted on; over each horizon at least one return among them is known.
        asked: the symbol to predict.
        score: its rows.
        levels: (n_levels,) quantile levels.

    Returns:
        (n_rows, n_horizons, n_levels) in σ·√h, by name.

    Known at: the close of each row's bar, given what was fitted on the training rows.
    Source: Corsi (2009), Journal of Financial Econometrics 7(2), 174-196; RiskMetrics (1996), technical document.
    """
    targets = _pool([one.future for one in fit], train)
    sizes, ewma = _pool([_har_sizes(one) for one in fit], train), _pool([_ewma_scale(one) for one in fit], train)
    rows = slice(score.start, score.stop)
    sizes_now, ewma_now = _har_sizes(asked)[rows], _ewma_scale(asked)[rows]
    quantiles: dict[str, list[FloatArray]] = {"unconditional": [], "EWMA": [], "HAR": []}
    for target in targets.T:
        known = np.isfinite(target)
        weights, *_ = np.linalg.lstsq(sizes[known], np.abs(target[known]), rcond=None)
        floor = max(0.1 * float(np.abs(target[known]).mean()), 1e-12)  # a price that never moved has no scale
        scales = {
            "unconditional": (np.ones(len(targets)), np.ones(len(score))),
            "EWMA": (ewma, ewma_now),
            "HAR": (np.maximum(sizes @ weights, floor), np.maximum(sizes_now @ weights, floor)),
        }
        for name, (past, now) in scales.items():
            quantiles[name].append(now[:, None] * np.quantile(target[known] / past[known], levels))
    return {name: np.stack(parts, axis=1) for name, parts in quantiles.items()}


def class_baselines(labels: IntArray, n_rows: int) -> dict[str, FloatArray]:
    """Class probabilities that ignore the bar.

    Args:
        labels: (n,) training labels, -1 where unknown.
        n_rows: rows to predict.

    Returns:
        (n_rows, 3): `class frequencies` predicts the training shares; `majority class` gives the commonest class its
        share and divides the rest evenly.
    """
    shares = class_shares(labels)
    majority = np.full(len(shares), (1.0 - shares.max()) / (len(shares) - 1))
    majority[int(np.argmax(shares))] = shares.max()
    return {"class frequencies": np.tile(shares, (n_rows, 1)), "majority class": np.tile(majority, (n_rows, 1))}


def class_shares(labels: IntArray) -> FloatArray:
    """(3,) share of each class among the known labels, equal shares if none is known."""
    counts = np.bincount(labels[labels >= 0], minlength=3).astype(np.float64)
    return counts / counts.sum() if counts.sum() > 0 else np.full(3, 1 / 3)


def turn_shares(reacted: Int8Array) -> FloatArray:
    """(n_bands,) share of the known rows of (n_rows, n_bands) in which price turned at the band, a half if none is."""
    known = (reacted >= 0).sum(axis=0)
    shares: FloatArray = np.where(known > 0, (reacted > 0).sum(axis=0) / np.maximum(known, 1), 0.5)
    return shares


def reconstruction_baselines(features: Float32Array, masked: BoolArray, counted: BoolArray) -> dict[str, FloatArray]:
    """Guesses for the masked bars.

    Args:
        features: (n, F) the bars.
        masked: (n,) True in spans that touch neither end.
        counted: (n,) the masked bars to guess.

    Returns:
        (n_counted, F): `zero` (the training mean), `last value` (the bar before the span) and `linear interpolation`
        (between the bars before and after it).
    """
    visible = np.flatnonzero(~masked)
    wanted = np.flatnonzero(counted)
    after = np.searchsorted(visible, wanted)
    left, right = visible[after - 1], visible[after]
    share = ((wanted - left) / (right - left))[:, None]
    before, behind = features[left].astype(np.float64), features[right].astype(np.float64)
    return {
        "zero": np.zeros_like(before),
        "last value": before,
        "linear interpolation": (1.0 - share) * before + share * behind,
    }


def _pool(columns: Sequence[FloatArray], rows: Sequence[range]) -> FloatArray:
    return np.concatenate([column[one.start : one.stop] for column, one in zip(columns, rows, strict=True)])


def _har_sizes(one: TrainingSeries) -> FloatArray:
    """(n_bars, 6) one, and the means of the absolute return over each of `HAR_BARS` in the bar's volatility."""
    size = np.abs(np.nan_to_num(past_returns(one)))
    total = np.concatenate([[0.0], size.cumsum()])
    stop = np.arange(1, len(one) + 1)
    means = [(total[stop] - total[np.maximum(stop - bars, 0)]) / np.minimum(stop, bars) for bars in HAR_BARS]
    return np.stack([np.ones(len(one)), *(mean / one.sigma for mean in means)], axis=1)


def _ewma_scale(one: TrainingSeries) -> FloatArray:
    first = float(one.sigma[0] ** 2)
    return np.sqrt(filtered_variance(past_returns(one), EWMA, first, LEAST_VARIANCE)) / one.sigma
