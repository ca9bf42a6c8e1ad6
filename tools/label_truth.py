"""Measure features and labels against the recorded truth of the six synthetic instruments.

    python tools/label_truth.py                  # 12,000 bars of 1h, seeds 1 to 3
    python tools/label_truth.py --seeds 10

Regimes: share of bars whose label is the true regime, beside what the same labels would get by chance (each as often
as it occurs, independent of the truth) and per true class. Levels: recall is the share of true levels within the heat
map that have a peak of the density within one volatility, precision the share of peaks with a true level that near,
and of `nearest_levels` alone. Chance is the same with the peaks of another bar of the same market, at the distances
they had there. Few swings become levels, and which ones is chance, so precision is low by nature.
"""

import argparse
import dataclasses
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import BoolArray, FloatArray, IntArray
from agv2.data.config import MarketsConfig
from agv2.data.synthetic_markets.instruments import INSTRUMENTS
from agv2.data.synthetic_markets.market import REGIMES, InstrumentMarket, MarketRequest, instrument_market
from agv2.features.bar_volatility import bar_volatility
from agv2.features.labels.regime import regime_labels
from agv2.features.support_resistance import HALF_WIDTH_SIGMAS, HEATMAP_BINS, level_density, nearest_levels
from agv2.utils.config import load_config

N_BARS = 12_000
NEAR_SIGMAS = 1.0
_BINS_PER_SIGMA = HEATMAP_BINS / (2.0 * HALF_WIDTH_SIGMAS)


class RegimeScore(NamedTuple):
    """Agreement of `regime_labels` with the regimes that made the market, as shares of bars."""

    accuracy: float
    chance: float
    by_class: tuple[float, ...]
    """Share found of each of `REGIMES`."""


class LevelScore(NamedTuple):
    """Agreement of the density's peaks with the levels of the market, as shares."""

    recall: float
    recall_by_chance: float
    precision: float
    precision_by_chance: float
    nearest_precision: float
    nearest_by_chance: float


def regime_score(market: InstrumentMarket) -> RegimeScore:
    """Score of the labels on a whole market."""
    sigma = bar_volatility(market.bars.close)
    return agreement(regime_labels(market.bars.close, sigma), market.regime)


def agreement(labels: IntArray, truth: IntArray) -> RegimeScore:
    """Score of labels, UNKNOWN ones left out."""
    known = labels >= 0
    labels, truth = labels[known], truth[known]
    found = np.bincount(labels, minlength=len(REGIMES)) / labels.size
    true = np.bincount(truth, minlength=len(REGIMES)) / truth.size
    by_class = tuple(float((labels[truth == regime] == regime).mean()) for regime in range(len(REGIMES)))
    return RegimeScore(float((labels == truth).mean()), float(found @ true), by_class)


def level_score(market: InstrumentMarket, rng: np.random.Generator) -> LevelScore:
    """Score of the levels of every bar that has a density."""
    bars = market.bars
    sigma = bar_volatility(bars.close)
    density = level_density(bars.high, bars.low, bars.close, sigma)
    nearest = nearest_levels(density)
    rows = np.flatnonzero(~np.isnan(density[:, 0]))
    peaks = peaks_of(density[rows])
    near_peak = near(peaks)
    true = true_distances(market, sigma)[rows]
    bar, slot = np.nonzero(np.abs(true) < HALF_WIDTH_SIGMAS)
    true_bin = ((true[bar, slot] + HALF_WIDTH_SIGMAS) * _BINS_PER_SIGMA).astype(np.int64)
    is_true = np.zeros(peaks.shape, dtype=np.bool_)
    is_true[bar, true_bin] = True
    is_near_true = near(is_true)
    has_level = np.stack([nearest.above_strength, nearest.below_strength], axis=1)[rows] > 0.0
    signed = np.stack([nearest.above, -nearest.below], axis=1)[rows]
    level_bin = np.clip((signed + HALF_WIDTH_SIGMAS) * _BINS_PER_SIGMA, 0, HEATMAP_BINS - 1).astype(np.int64)
    scores = []
    for order in (np.arange(rows.size), rng.permutation(rows.size)):
        nearest_hits = np.take_along_axis(is_near_true, level_bin[order], axis=1)[has_level[order]]
        hits = (near_peak[order][bar, true_bin], is_near_true[peaks[order]], nearest_hits)
        scores.append([float(each.mean()) for each in hits])
    return LevelScore(*(score for pair in zip(*scores, strict=True) for score in pair))


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


def true_distances(market: InstrumentMarket, sigma: FloatArray) -> FloatArray:
    """(n_bars, most at once) distance of each standing level from each close, in volatilities; else far away."""
    levels, n_bars = market.levels, sigma.size
    standing = np.zeros(n_bars + 1, dtype=np.int64)
    np.add.at(standing, levels.first_bar, 1)
    np.add.at(standing, levels.end_bar, -1)
    distances = np.full((n_bars, int(np.cumsum(standing).max()) + 1), np.inf)
    free = np.zeros(distances.shape, dtype=np.bool_)
    log_close = np.log(market.bars.close)
    for price, first, end in zip(np.log(levels.price), levels.first_bar, levels.end_bar, strict=True):
        part = slice(first, end)
        slot = int(np.argmin(free[part].any(axis=0)))
        free[part, slot] = True
        distances[part, slot] = (price - log_close[part]) / sigma[part]
    return distances


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--bars", type=int, default=N_BARS)
    parser.add_argument("--timeframe", default="1h")
    options = parser.parse_args()
    config = load_config(MarketsConfig, "markets")

    def markets(symbol: str, edge: str) -> list[InstrumentMarket]:
        strength = 0.0 if edge == "none" else 4.5
        request = MarketRequest(symbol, edge, strength, timeframe=options.timeframe, n_bars=options.bars)
        seeds = range(1, options.seeds + 1)
        return [instrument_market(dataclasses.replace(request, seed=seed), config.entry(symbol)[0]) for seed in seeds]

    print(f"| market | edge | regime accuracy | chance | {' | '.join(REGIMES)} |\n|---|---|---:|---:|---:|---:|---:|")
    for symbol in INSTRUMENTS:
        for edge in ("none", "momentum"):
            scores = [regime_score(market) for market in markets(symbol, edge)]
            cells = np.mean([(each.accuracy, each.chance, *each.by_class) for each in scores], axis=0)
            print(f"| {symbol} | {edge} | {' | '.join(f'{100 * cell:.0f} %' for cell in cells)} |", flush=True)
    print("\n| market | edge | recall | by chance | precision | by chance | of the nearest | by chance |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    rng = np.random.default_rng(1)
    for symbol in INSTRUMENTS:
        for edge in ("none", "levels"):
            cells = np.mean([level_score(market, rng) for market in markets(symbol, edge)], axis=0)
            print(f"| {symbol} | {edge} | {' | '.join(f'{100 * cell:.0f} %' for cell in cells)} |", flush=True)


if __name__ == "__main__":
    main()
