"""Measure features and labels against the recorded truth of the six synthetic instruments.

    python tools/label_truth.py                  # 12,000 bars of 1h, seeds 1 to 3
    python tools/label_truth.py --seeds 10

Regimes: share of bars whose label is the true regime, beside what the same labels would get by chance (each as often
as it occurs, independent of the truth), what the same statistics get between the true change points, and what someone
gets who knows how the market was made (`best_regimes`). Then per true class.

Levels: a drawn level is a peak of the density, its strength the density there. Recall is the share of true levels
within the heat map that have a drawn one within one volatility, precision the share of drawn levels with a true one
that near, and that of `nearest_levels` alone. AP is the average precision of all drawn levels of a market ranked by
strength: the area under precision against the share of hits found. Chance is the same with the truth of another bar
of the same market. "With a pivot" is the share of true levels near which any pivot of the memory lies, "best" the AP
of someone who knows how levels arise (`best_density`), which exists where levels mean nothing to the price.
"""

import argparse
import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import BoolArray, FloatArray, IntArray
from agv2.data.config import MarketsConfig
from agv2.data.synthetic_markets import edges
from agv2.data.synthetic_markets.hidden_state import LATENT_WEIGHTS, REGIME_HOURS, VOLATILE_HOURS
from agv2.data.synthetic_markets.instruments import INSTRUMENTS
from agv2.data.synthetic_markets.levels import Levels, walk_with_levels
from agv2.data.synthetic_markets.market import REGIMES, InstrumentMarket, MarketRequest, instrument_market
from agv2.features.bar_volatility import LOOKBACK, bar_volatility
from agv2.features.labels.regime import labels_between, regime_labels
from agv2.features.support_resistance import (
    HALF_WIDTH_SIGMAS,
    HEATMAP_BINS,
    MEMORY_BARS,
    PIVOT_WING,
    fractal_pivots,
    level_density,
    nearest_levels,
)
from agv2.utils.config import load_config

N_BARS = 12_000
NEAR_SIGMAS = 1.0
_BINS_PER_SIGMA = HEATMAP_BINS / (2.0 * HALF_WIDTH_SIGMAS)
_VOLATILE = REGIMES.index("volatile")
_N_DRAWS = 100


class RegimeScore(NamedTuple):
    """Agreement of `regime_labels` with the regimes that made the market, as shares of bars."""

    accuracy: float
    chance: float
    by_class: tuple[float, ...]
    """Share found of each of `REGIMES`."""


class LevelScore(NamedTuple):
    """Agreement of the density's peaks with the levels of the market, as shares; of each pair the second by chance."""

    recall: tuple[float, float]
    precision: tuple[float, float]
    average_precision: tuple[float, float]
    nearest_precision: tuple[float, float]


def regime_score(market: InstrumentMarket) -> RegimeScore:
    """Score of the labels on a whole market."""
    return agreement(regime_labels(market.bars.close, bar_volatility(market.bars.close)), market.regime)


def agreement(labels: IntArray, truth: IntArray) -> RegimeScore:
    """Score of labels, UNKNOWN ones left out."""
    known = labels >= 0
    labels, truth = labels[known], truth[known]
    found = np.bincount(labels, minlength=len(REGIMES)) / labels.size
    true = np.bincount(truth, minlength=len(REGIMES)) / truth.size
    by_class = tuple(float((labels[truth == regime] == regime).mean()) for regime in range(len(REGIMES)))
    return RegimeScore(float((labels == truth).mean()), float(found @ true), by_class)


def regimes_between_true_changes(market: InstrumentMarket) -> IntArray:
    """(n_bars,) what the labels would be if change points were known."""
    changes = np.flatnonzero(np.diff(market.regime) | np.diff(market.direction)) + 1
    return labels_between(log_returns(market), [np.array([0, *changes, market.regime.size])])


def best_regimes(market: InstrumentMarket, rng: np.random.Generator) -> IntArray:
    """(n_bars,) the likeliest regimes for someone who knows the process and even which bars are volatile.

    Where momentum is planted, a smoother over the hidden states with the true drifts. Elsewhere calm spells leave no
    trace of where they begin: they are drawn again and again, and a bar is a trend where most of its spells are.
    """
    volatile = market.regime == _VOLATILE
    calm = _smoothed(market) if market.request.edge == "momentum" else _drawn(market, rng)
    best: IntArray = np.where(volatile, _VOLATILE, calm)
    return best


def _smoothed(market: InstrumentMarket) -> IntArray:
    """Forward-backward over up, down, flat and volatile."""
    returns = log_returns(market)
    drift = edges.momentum_drift(np.zeros(returns.size, dtype=np.int64), market.sigma, market.slots, market.amplitude)
    weights = np.tile(LATENT_WEIGHTS, (4, 1)) * (1.0 - np.eye(4))
    weights /= weights.sum(axis=1, keepdims=True)
    leaves = 1.0 - np.exp(-market.slots.open_hours[:, None] / np.array([REGIME_HOURS] * 3 + [VOLATILE_HOURS]))
    moves = leaves[:, :, None] * weights + (1.0 - leaves)[:, :, None] * np.eye(4)
    scores = (returns[:, None] - drift[:, None] * np.array([1.0, -1.0, 0.0, 0.0])) / market.sigma[:, None]
    likelihood = (1.0 + scores**2 / 6.0) ** -3.5  # tails about as heavy as the market's
    volatile = market.regime == _VOLATILE
    likelihood[volatile, :3] = 0.0
    likelihood[~volatile, 3] = 0.0
    forward, backward = likelihood.copy(), np.ones_like(likelihood)
    for t in range(1, returns.size):
        forward[t] *= forward[t - 1] @ moves[t]
        forward[t] /= forward[t].sum()
    for t in range(returns.size - 2, -1, -1):
        backward[t] = moves[t + 1] @ (likelihood[t + 1] * backward[t + 1])
        backward[t] /= backward[t].sum()
    chances = forward * backward
    flat: IntArray = (chances[:, 2] > chances[:, 0] + chances[:, 1]).astype(np.int64)
    return flat


def _drawn(market: InstrumentMarket, rng: np.random.Generator) -> IntArray:
    """Trend where most draws of calm spells that moved at least 0.8 of their standard deviations say so."""
    returns = log_returns(market)
    n_bars = returns.size
    known = np.flatnonzero(np.diff(market.regime == _VOLATILE)) + 1
    # Of the moves from a calm state five in seven lead to another calm one.
    changes = 1.0 - np.exp(-market.slots.open_hours / REGIME_HOURS * 5.0 / 7.0)
    net, square = np.append(0.0, np.cumsum(returns)), np.append(0.0, np.cumsum(returns**2))
    votes = np.zeros(n_bars)
    for _ in range(_N_DRAWS):
        bounds = np.unique(np.concatenate([[0, n_bars], known, np.flatnonzero(rng.random(n_bars) < changes)]))
        far = np.abs(np.diff(net[bounds])) >= 0.8 * np.sqrt(np.diff(square[bounds]))
        votes += np.repeat(far, np.diff(bounds))
    return (votes < 0.5 * _N_DRAWS).astype(np.int64)


def log_returns(market: InstrumentMarket) -> FloatArray:
    """(n_bars,) log returns, the first one 0."""
    log_close = np.log(market.bars.close)
    return np.diff(log_close, prepend=log_close[0])


def level_score(market: InstrumentMarket, rng: np.random.Generator) -> LevelScore:
    """Score of the levels of every bar that has a density."""
    bars = market.bars
    sigma = bar_volatility(bars.close)
    density = level_density(bars.high, bars.low, bars.close, sigma)
    nearest = nearest_levels(density)
    rows = np.flatnonzero(~np.isnan(density[:, 0]))
    peaks, is_true = peaks_of(density[rows]), true_map(market.levels, bars.close, sigma)[rows]
    near_peak = near(peaks)
    strength = density[rows][peaks]
    has_level = np.stack([nearest.above_strength, nearest.below_strength], axis=1)[rows] > 0.0
    signed = np.stack([nearest.above, -nearest.below], axis=1)[rows]
    level_bin = np.clip((signed + HALF_WIDTH_SIGMAS) * _BINS_PER_SIGMA, 0, HEATMAP_BINS - 1).astype(np.int64)
    scores = []
    for order in (np.arange(rows.size), rng.permutation(rows.size)):
        truth = is_true[order]
        hits = near(truth)
        nearest_hits = np.take_along_axis(hits, level_bin, axis=1)[has_level]
        of_peaks = hits[peaks]
        precision = average_precision(strength, of_peaks)
        scores.append((near_peak[truth].mean(), of_peaks.mean(), precision, nearest_hits.mean()))
    return LevelScore(*((float(score), float(by_chance)) for score, by_chance in zip(*scores, strict=True)))


def average_precision(strength: FloatArray, is_hit: BoolArray) -> float:
    """Mean precision at each hit, the strongest first."""
    hits = is_hit[np.argsort(-strength, kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, hits.size + 1)
    return float(precision[hits].mean())


def best_density(market: InstrumentMarket, rng: np.random.Generator) -> float:
    """AP of the chance that a level stands, for someone who knows how levels arise but not when they did.

    The same prices get their levels again and again: each time is as likely as the truth, since prices do not depend
    on levels here.
    """
    close = market.bars.close
    sigma = bar_volatility(close)
    returns, none = log_returns(market), np.zeros(close.size)
    chance = np.zeros((close.size, HEATMAP_BINS))
    for _ in range(_N_DRAWS):
        walked = walk_with_levels(
            np.log(close[0]), none, returns, market.sigma, market.slots, market.day_sigma, 0.0, rng
        )
        chance += near(true_map(walked.levels, close, sigma))
    rows = slice(MEMORY_BARS + PIVOT_WING - 1, None)
    # A level marks a band as wide as what counts as near: its middle, not its edge, is the peak.
    blurred = np.pad(chance, ((0, 0), (1, 1)))
    chance = 0.25 * blurred[:, :-2] + 0.5 * blurred[:, 1:-1] + 0.25 * blurred[:, 2:]
    peaks = peaks_of(chance[rows])
    return average_precision(chance[rows][peaks], near(true_map(market.levels, close, sigma)[rows])[peaks])


def with_a_pivot(market: InstrumentMarket) -> float:
    """Share of true levels within the heat map that have any pivot of the memory within `NEAR_SIGMAS`."""
    bars, levels = market.bars, market.levels
    sigma = bar_volatility(bars.close)
    confirmed = fractal_pivots(bars.high, bars.low)
    at = [np.flatnonzero(confirmed & bit) - PIVOT_WING for bit in (1, 2)]
    place = np.concatenate(at)
    pivots = np.log(np.concatenate([bars.high[at[0]], bars.low[at[1]]]))
    found = []
    for t in range(MEMORY_BARS + PIVOT_WING - 1, len(bars), 10):
        standing = (levels.first_bar <= t) & (t < levels.end_bar)
        prices = np.log(levels.price[standing])
        prices = prices[np.abs(prices - np.log(bars.close[t])) < HALF_WIDTH_SIGMAS * sigma[t]]
        remembered = pivots[(place > t - MEMORY_BARS) & (place <= t - PIVOT_WING)]
        found += (np.abs(prices[:, None] - remembered) <= NEAR_SIGMAS * sigma[t]).any(axis=1).tolist()
    return float(np.mean(found))


def near(marks: BoolArray) -> BoolArray:
    """(n_bars, 64) whether a mark lies within `NEAR_SIGMAS` of a bin."""
    steps = round(NEAR_SIGMAS * _BINS_PER_SIGMA)
    padded = np.pad(marks, ((0, 0), (steps, steps)))
    found = marks.copy()
    for k in range(2 * steps + 1):
        found |= padded[:, k : k + HEATMAP_BINS]
    return found


def peaks_of(density: FloatArray) -> BoolArray:
    """(n_bars, 64) whether a bin is a local maximum."""
    peaks = np.zeros(density.shape, dtype=np.bool_)
    peaks[:, 1:-1] = (density[:, 1:-1] > density[:, :-2]) & (density[:, 1:-1] >= density[:, 2:])
    return peaks


def true_map(levels: Levels, close: FloatArray, sigma: FloatArray) -> BoolArray:
    """(n_bars, 64) whether a standing level lies in a bin of the heat map; nowhere before `sigma` is known."""
    marks = np.zeros((close.size, HEATMAP_BINS), dtype=np.bool_)
    log_close = np.log(close)
    for price, first, end in zip(np.log(levels.price), levels.first_bar, levels.end_bar, strict=True):
        bars = np.arange(max(first, LOOKBACK), end)
        distance = (price - log_close[bars]) / sigma[bars]
        inside = np.abs(distance) < HALF_WIDTH_SIGMAS
        marks[bars[inside], ((distance[inside] + HALF_WIDTH_SIGMAS) * _BINS_PER_SIGMA).astype(np.int64)] = True
    return marks


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--bars", type=int, default=N_BARS)
    parser.add_argument("--timeframe", default="1h")
    options = parser.parse_args()
    config = load_config(MarketsConfig, "markets")

    def markets(symbol: str, edge: str) -> Iterator[InstrumentMarket]:
        strength = 0.0 if edge == "none" else 4.5
        request = MarketRequest(symbol, edge, strength, timeframe=options.timeframe, n_bars=options.bars)
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            yield instrument_market(dataclasses.replace(request, seed=seed), config.entry(symbol)[0])

    def print_row(symbol: str, edge: str, scores: list[tuple[float, ...]]) -> None:
        cells = (" " if np.isnan(cell) else f"{100 * cell:.0f} %" for cell in np.mean(scores, axis=0))
        print(f"| {symbol} | {edge} | {' | '.join(cells)} |", flush=True)

    rng = np.random.default_rng(1)
    print(f"| market | edge | regime accuracy | chance | true changes | best | {' | '.join(REGIMES)} |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for symbol in INSTRUMENTS:
        for edge in ("none", "momentum"):
            rows = []
            for market in markets(symbol, edge):
                score = regime_score(market)
                others = (regimes_between_true_changes(market), best_regimes(market, rng))
                bounds = [agreement(labels, market.regime).accuracy for labels in others]
                rows.append((score.accuracy, score.chance, *bounds, *score.by_class))
            print_row(symbol, edge, rows)
    print(
        "\n| market | edge | recall | chance | with a pivot | precision | chance | AP | chance | best | nearest ",
        end="",
    )
    print("| chance |")
    print(f"|---|---|{'---:|' * 10}")
    for symbol in INSTRUMENTS:
        for edge in ("none", "levels"):
            rows = []
            for market in markets(symbol, edge):
                levels = level_score(market, rng)
                best = best_density(market, rng) if edge == "none" else np.nan
                recall = (*levels.recall, with_a_pivot(market))
                rows.append((*recall, *levels.precision, *levels.average_precision, best, *levels.nearest_precision))
            print_row(symbol, edge, rows)


if __name__ == "__main__":
    main()
