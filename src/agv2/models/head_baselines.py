"""What each head must beat: named predictions that cost nothing, fitted on the same rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agv2.core.arrays import BoolArray, Float32Array, FloatArray, Int8Array, IntArray
from agv2.models.training_rows import TrainingSeries

__all__ = ["class_baselines", "class_shares", "level_baselines", "quantile_baselines", "reconstruction_baselines"]

Rows = Sequence[range]
HAR_BARS = (1, 5, 22, 110, 440)
EWMA_DECAY = 0.94


def quantile_baselines(
    series: Sequence[TrainingSeries], train: Rows, score: Rows, levels: FloatArray
) -> dict[str, float]:
    """Mean pinball loss of each baseline on the scored rows.

    Every baseline is an empirical distribution, per horizon, of the training returns divided by a scale:
    `unconditional` the bar's own volatility as it is; `EWMA` RiskMetrics' variance; `HAR` a least-squares forecast of
    the absolute return from its means over 1, 5, 22, 110 and 440 bars.

    Args:
        series: the symbols; the first horizon of `future` is one bar.
        train: rows of each that are fitted on.
        score: rows of each that are scored.
        levels: (Q,) quantile levels.

    Returns:
        Loss by name, in σ·√h.

    Source: Corsi (2009), Journal of Financial Econometrics 7(2), 174-196; RiskMetrics (1996), technical document.
    """
    trained, scored = _pool([one.future for one in series], train), _pool([one.future for one in series], score)
    regressors = [_har_regressors(one) for one in series]
    fitted, asked = _pool(regressors, train), _pool(regressors, score)
    ewma = [_ewma_scale(one) for one in series]
    losses: dict[str, list[float]] = {"unconditional": [], "EWMA": [], "HAR": []}
    for h in range(trained.shape[1]):
        target = trained[:, h]
        known = np.isfinite(target)
        weights, *_ = np.linalg.lstsq(fitted[known], np.abs(target[known]), rcond=None)
        floor = max(0.1 * float(np.abs(target[known]).mean()), 1e-12)  # a price that never moved has no scale
        scales = {
            "unconditional": (np.ones(len(trained)), np.ones(len(scored))),
            "EWMA": (_pool(ewma, train), _pool(ewma, score)),
            "HAR": (np.maximum(fitted @ weights, floor), np.maximum(asked @ weights, floor)),
        }
        for name, (past, now) in scales.items():
            quantiles = np.quantile(target[known] / past[known], levels)
            losses[name].append(_pinball(now[:, None] * quantiles, scored[:, h], levels))
    return {name: float(np.mean(parts)) for name, parts in losses.items()}


def class_baselines(labels: IntArray, scored: IntArray) -> dict[str, float]:
    """Mean log loss, in nats, of predictions that ignore the bar.

    Args:
        labels: (n,) training labels, -1 where unknown.
        scored: (m,) labels to predict, -1 where unknown.

    Returns:
        `class frequencies` predicts the training shares; `majority class` gives the commonest class its share and
        divides the rest evenly.
    """
    shares = class_shares(labels)
    majority = np.full(len(shares), (1.0 - shares.max()) / (len(shares) - 1))
    majority[int(np.argmax(shares))] = shares.max()
    known = scored[scored >= 0]
    return {
        name: float(-np.log(np.maximum(probs, 1e-6))[known].mean())
        for name, probs in (("class frequencies", shares), ("majority class", majority))
    }


def level_baselines(reacted: Int8Array, scored: Int8Array) -> dict[str, float]:
    """Mean Brier score of probabilities that ignore the bar.

    Args:
        reacted: (n, bands) of the training rows: 1, 0, or -1 where unknown.
        scored: (m, bands) to predict.

    Returns:
        `band frequencies` predicts each band's training share.
    """
    known = (reacted >= 0).sum(axis=0)
    shares = np.where(known > 0, (reacted > 0).sum(axis=0) / np.maximum(known, 1), 0.5)
    return {"band frequencies": float(np.square(shares - scored)[scored >= 0].mean())}


def class_shares(labels: IntArray) -> FloatArray:
    """(3,) share of each class among the known labels, equal shares if none is known."""
    counts = np.bincount(labels[labels >= 0], minlength=3).astype(np.float64)
    return counts / counts.sum() if counts.sum() > 0 else np.full(3, 1 / 3)


def reconstruction_baselines(features: Float32Array, masked: BoolArray, counted: BoolArray) -> dict[str, float]:
    """Mean Huber loss of guesses for the masked bars.

    Args:
        features: (n, F) the bars.
        masked: (n,) True in spans that touch neither end.
        counted: (n,) the masked bars that are scored.

    Returns:
        `zero` (the training mean), `last value` (the bar before the span) and `linear interpolation` (between the
        bars before and after it).
    """
    visible = np.flatnonzero(~masked)
    wanted = np.flatnonzero(counted)
    after = np.searchsorted(visible, wanted)
    left, right = visible[after - 1], visible[after]
    share = ((wanted - left) / (right - left))[:, None]
    guesses: dict[str, NDArray[Any]] = {
        "zero": np.zeros((1, features.shape[1])),
        "last value": features[left],
        "linear interpolation": (1.0 - share) * features[left] + share * features[right],
    }
    return {name: _huber(guess - features[wanted]) for name, guess in guesses.items()}


def _pool(columns: Sequence[NDArray[Any]], rows: Rows) -> NDArray[Any]:
    return np.concatenate([column[one.start : one.stop] for column, one in zip(columns, rows, strict=True)])


def _past_returns(one: TrainingSeries) -> FloatArray:
    """(n_bars,) log return of each bar, read back from the one-bar-ahead target of the bar before."""
    past = np.zeros(len(one))
    past[1:] = np.nan_to_num(one.future[:-1, 0] * one.sigma[:-1])
    return past


def _har_regressors(one: TrainingSeries) -> FloatArray:
    size = np.abs(_past_returns(one))
    total = np.concatenate([[0.0], size.cumsum()])
    stop = np.arange(1, len(one) + 1)
    means = [(total[stop] - total[np.maximum(stop - bars, 0)]) / np.minimum(stop, bars) for bars in HAR_BARS]
    return np.stack([np.ones(len(one)), *(mean / one.sigma for mean in means)], axis=1)


def _ewma_scale(one: TrainingSeries) -> FloatArray:
    returns = _past_returns(one)
    variance = np.empty(len(one))
    level = float(one.sigma[0] ** 2)
    for t, square in enumerate(returns**2):
        level = EWMA_DECAY * level + (1.0 - EWMA_DECAY) * square
        variance[t] = level
    return np.sqrt(variance) / one.sigma


def _pinball(quantiles: FloatArray, returns: FloatArray, levels: FloatArray) -> float:
    known = np.isfinite(returns)
    error = returns[known, None] - quantiles[known]
    return float(np.maximum(levels * error, (levels - 1.0) * error).mean())


def _huber(error: NDArray[Any]) -> float:
    size = np.abs(error)
    return float(np.where(size < 1.0, 0.5 * error**2, size - 0.5).mean())
