"""Small made-up histories for the encoder's tests."""

from typing import Any

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.models.backbones.config import LstmConfig
from agv2.models.config import EncoderConfig
from agv2.models.head_outputs import LEVEL_BANDS
from agv2.models.training_rows import TrainingSeries

TINY = EncoderConfig(
    window=32,
    channels=8,
    embedding_dim=16,
    head_channels=8,
    chunk=64,
    batch_chunks=4,
    mask_span=4,
    evaluations=4,
    dropout=0.1,
    learning_rate=1e-3,  # a tiny network has few steps to learn in
)
N_FEATURES = 4
SMALL = {
    "tcn": TINY,
    "transformer": TINY.model_copy(update={"backbone": "transformer"}),
    "lstm": TINY.model_copy(update={"backbone": "lstm", "lstm": LstmConfig(rows_per_start=16)}),
}


def a_series(
    symbol: str = "TEST", n_bars: int = 1200, seed: int = 0, persistence: float = 0.0, start_ns: int = 0
) -> TrainingSeries:
    """Returns with volatility clusters; `persistence` of the last return's sign drives the next one's."""
    generator = np.random.default_rng(seed)
    log_sigma = np.zeros(n_bars)
    for t in range(1, n_bars):
        log_sigma[t] = 0.97 * log_sigma[t - 1] + 0.15 * generator.standard_normal()
    true_sigma = 0.001 * np.exp(log_sigma)
    returns = np.zeros(n_bars)
    for t in range(1, n_bars):
        returns[t] = true_sigma[t] * (persistence * np.sign(returns[t - 1]) + generator.standard_normal())
    sigma = _ewma_volatility(returns, 0.99)  # slow, so that something is left for a forecast to find
    features = generator.standard_normal((n_bars, N_FEATURES))
    features[:, 0] = returns / sigma
    features[:, 1] = np.abs(returns) / sigma
    features[:, 2] = np.sign(returns)
    features[:, 3] = np.log(_ewma_volatility(returns, 0.9) / sigma)
    return TrainingSeries(
        symbol=symbol,
        ts_ns=start_ns + np.arange(n_bars, dtype=np.int64) * 3600 * 10**9,
        features=np.clip(features, -8.0, 8.0).astype(np.float32),
        sigma=sigma,
        future=forward(returns, sigma, TINY.horizons),
        regime=(log_sigma > 0).astype(np.int64),
        **level_targets(returns, sigma),
    )


def level_targets(returns: FloatArray, sigma: FloatArray) -> dict[str, Any]:
    """Patterns, turns and levels: what the next bars did, in classes, with levels where it can be told from them."""
    n_bars, reach = len(returns), TINY.horizons[-1]
    ahead = np.nan_to_num(forward(returns, sigma, TINY.horizons)[:, -1])
    known = np.arange(n_bars) < n_bars - reach
    pattern = np.where(np.abs(ahead) > 1.0, 2, np.where(ahead > 0.0, 1, 0))
    bands = np.arange(LEVEL_BANDS) - (LEVEL_BANDS - 1) / 2
    reacted = np.abs(bands - 2.0 * ahead[:, None]) < 2.0
    return {
        "pattern": np.where(known & (np.arange(n_bars) % 3 == 0), pattern, -1),
        "reacted": np.where(known[:, None], reacted, -1).astype(np.int8),
        "level_distance": np.stack([np.full(n_bars, 2.0), np.full(n_bars, np.nan)], axis=1),
        "label_reach": reach,
    }


def no_levels(n_bars: int) -> dict[str, Any]:
    """The same fields where nothing is known of levels."""
    return {
        "pattern": np.full(n_bars, -1),
        "reacted": np.full((n_bars, LEVEL_BANDS), -1, dtype=np.int8),
        "level_distance": np.full((n_bars, 2), np.nan),
        "label_reach": 1,
    }


def _ewma_volatility(returns: FloatArray, decay: float) -> FloatArray:
    variance = np.empty(len(returns))
    level = 0.001**2
    for t, square in enumerate(returns**2):
        level = decay * level + (1.0 - decay) * square
        variance[t] = level
    return np.sqrt(variance)


def forward(returns: FloatArray, sigma: FloatArray, horizons: tuple[int, ...]) -> FloatArray:
    """(n_bars, horizons) sums of the next returns in σ·√h."""
    path = returns.cumsum()
    future = np.full((len(returns), len(horizons)), np.nan)
    for i, horizon in enumerate(horizons):
        future[:-horizon, i] = (path[horizon:] - path[:-horizon]) / sigma[:-horizon] / horizon**0.5
    return future
