"""Regime labels and levels against the truth of synthetic markets; tools/label_truth.py has the full table."""

import functools

import numpy as np
import pytest

from agv2.data.config import MarketsConfig
from agv2.data.synthetic_markets.instruments import INSTRUMENTS
from agv2.data.synthetic_markets.market import InstrumentMarket, MarketRequest, instrument_market
from agv2.utils.config import load_config
from tools.label_truth import (
    agreement,
    average_precision,
    best_density,
    level_score,
    regime_score,
    regimes_between_true_changes,
)

SEED = 31  # set nothing: constants were chosen on seeds from 101 on


@functools.cache
def markets(edge: str) -> list[InstrumentMarket]:
    config, strength = load_config(MarketsConfig, "markets"), 0.0 if edge == "none" else 4.5
    return [
        instrument_market(MarketRequest(symbol, edge, strength, n_bars=6000, seed=SEED), config.entry(symbol)[0])
        for symbol in INSTRUMENTS
    ]


@pytest.mark.parametrize("edge", ["none", "momentum"])
def test_regimes_beat_chance_by_eight_points_on_average_and_no_class_is_missed(edge: str) -> None:
    scores = [regime_score(market) for market in markets(edge)]
    assert np.mean([score.accuracy - score.chance for score in scores]) > 0.08
    assert np.mean([score.by_class for score in scores], axis=0).min() > 0.40


@pytest.mark.parametrize("edge", ["none", "momentum"])
def test_between_true_change_points_the_statistics_find_most_regimes(edge: str) -> None:
    scores = [agreement(regimes_between_true_changes(market), market.regime) for market in markets(edge)]
    assert np.mean([score.accuracy for score in scores]) > 0.55
    assert np.mean([score.accuracy - score.chance for score in scores]) > 0.2


@pytest.mark.parametrize("edge", ["none", "levels"])
def test_levels_are_found_about_twice_as_often_as_by_chance_and_the_strong_ones_are_better(edge: str) -> None:
    scores = [level_score(market, np.random.default_rng(1)) for market in markets(edge)]
    recall, precision, ranked, nearest = np.mean(scores, axis=0)
    assert recall[0] > recall[1] + 0.25
    assert precision[0] > 1.6 * precision[1]
    assert nearest[0] > 1.6 * nearest[1]
    assert ranked[0] > 2.5 * ranked[1]
    assert ranked[0] > precision[0] + 0.08


def test_whoever_knows_how_levels_arise_does_better_still() -> None:
    market = markets("none")[0]
    ours = level_score(market, np.random.default_rng(1)).average_precision[0]
    assert ours < best_density(market, np.random.default_rng(1)) < 1.0


def test_average_precision_is_the_mean_of_the_precision_at_each_hit() -> None:
    strength = np.array([1.0, 4.0, 3.0, 2.0])
    assert average_precision(strength, np.array([False, True, False, True])) == pytest.approx((1.0 + 2.0 / 3.0) / 2.0)
    assert average_precision(strength, np.array([True, False, False, False])) == pytest.approx(0.25)


def test_agreement_leaves_unknown_bars_out_and_knows_chance() -> None:
    labels, truth = np.array([-1, 0, 0, 1, 2]), np.array([2, 0, 1, 1, 2])
    score = agreement(labels, truth)
    assert score.accuracy == pytest.approx(0.75)
    assert score.chance == pytest.approx(0.5 * 0.25 + 0.25 * 0.5 + 0.25 * 0.25)
    assert score.by_class == pytest.approx((1.0, 0.5, 1.0))
