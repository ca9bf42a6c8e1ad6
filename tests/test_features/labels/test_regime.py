import numpy as np
import pytest

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.errors import ShapeError
from agv2.data.synthetic import synthetic_market
from agv2.features.bar_volatility import bar_volatility
from agv2.features.labels.regime import Regime, labels_between, regime_labels


def shares(labels: IntArray) -> FloatArray:
    known = labels[labels != Regime.UNKNOWN]
    found: FloatArray = np.bincount(known, minlength=3) / known.size
    return found


def random_walk(n_bars: int, seed: int) -> FloatArray:
    return np.exp(np.cumsum(np.random.default_rng(seed).standard_t(4, n_bars) * 0.003))


@pytest.mark.parametrize("n_bars", [560, 1300, 6000, 20_000])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_class_is_empty_and_none_has_nearly_all(n_bars: int, seed: int) -> None:
    close = random_walk(n_bars, seed)
    found = shares(regime_labels(close, bar_volatility(close)))
    assert found.min() > 0.05
    assert found.max() < 0.6


def test_planted_drifts_are_called_trends_far_more_often_than_planted_calm() -> None:
    market = synthetic_market("trend", 12_000, 0)
    labels = regime_labels(market.bars.close, bar_volatility(market.bars.close))
    known = labels != Regime.UNKNOWN
    is_trend = labels == Regime.TREND
    assert is_trend[known & (market.regime != 0)].mean() > 2.0 * is_trend[known & (market.regime == 0)].mean()


def test_a_violent_stretch_without_direction_is_volatile() -> None:
    rng = np.random.default_rng(3)
    steps = rng.normal(0.0, 0.002, 4000)
    violent = slice(2000, 2400)
    steps[violent] = 0.02 * np.where(np.arange(400) % 2, 1.0, -1.0) * rng.uniform(0.8, 1.2, 400)
    close = np.exp(np.cumsum(steps))
    labels = regime_labels(close, bar_volatility(close))
    assert (labels[2020:2380] == Regime.VOLATILE).mean() > 0.9


def test_a_steady_climb_is_a_trend() -> None:
    rng = np.random.default_rng(3)
    steps = rng.normal(0.0, 0.002, 4000)
    steps[2000:2400] += 0.001
    close = np.exp(np.cumsum(steps))
    labels = regime_labels(close, bar_volatility(close))
    assert (labels[2020:2380] == Regime.TREND).mean() > 0.9


def test_a_violent_stretch_is_volatile_for_its_time_even_where_later_ones_are_all_more_violent() -> None:
    rng = np.random.default_rng(3)
    steps = rng.normal(0.0, 0.002, 6000)
    steps[1000:1200] *= 3.0
    steps[3000:] *= 5.0
    close = np.exp(np.cumsum(steps))
    labels = regime_labels(close, bar_volatility(close))
    assert (labels[1020:1180] == Regime.VOLATILE).mean() > 0.9
    assert (labels[4000:] == Regime.VOLATILE).mean() < 0.4


def test_segments_are_labelled_by_their_statistics() -> None:
    wobble = np.where(np.arange(1000) % 2, 1.0, -1.0)
    returns = 0.001 * wobble
    returns[200:400] *= 4.0  # volatile, whatever its drift
    returns[600:952] += 0.0005  # a trend
    bounds = np.array([0, 200, 400, 600, 952, 1000])
    labels = labels_between(returns, [bounds])
    wanted = [Regime.CONSOLIDATION, Regime.VOLATILE, Regime.CONSOLIDATION, Regime.TREND, Regime.CONSOLIDATION]
    assert labels.tolist() == np.repeat(wanted, np.diff(bounds)).tolist()


def test_a_bar_has_the_mean_of_the_segments_that_hold_it() -> None:
    wobble = 0.001 * np.where(np.arange(1000) % 2, 1.0, -1.0)
    returns = wobble.copy()
    returns[:200] *= 4.0
    returns[400:760] += 0.001
    fine, coarse = np.array([0, 200, 400, 760, 1000]), np.array([0, 400, 1000])
    labels = labels_between(returns, [fine, coarse])
    assert np.flatnonzero(np.diff(labels)).tolist() == [199, 399, 759]
    assert (labels[400:760] == Regime.TREND).all()
    # By the coarse bounds alone the first 400 bars would be volatile.
    assert (labels[:200] == Regime.VOLATILE).all()
    assert (labels[200:400] != Regime.VOLATILE).all()
    assert (labels_between(returns, [coarse])[:400] == Regime.VOLATILE).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_a_market_upside_down_has_the_same_regimes(seed: int) -> None:
    close = random_walk(3000, seed)
    up, down = (regime_labels(each, bar_volatility(each)) for each in (close, 1.0 / close))
    assert (up == down).mean() > 0.999


def test_labels_begin_with_the_volatility() -> None:
    close = random_walk(2000, 0)
    labels = regime_labels(close, bar_volatility(close))
    assert (labels[:256] == Regime.UNKNOWN).all()
    assert (labels[256:] != Regime.UNKNOWN).all()


def test_too_few_bars_stay_unknown() -> None:
    close = random_walk(500, 0)
    assert (regime_labels(close, bar_volatility(close)) == Regime.UNKNOWN).all()
    assert (regime_labels(close, np.full(500, np.nan)) == Regime.UNKNOWN).all()


def test_prices_that_never_move_do_not_break_it() -> None:
    labels = regime_labels(np.ones(1000), np.full(1000, 1e-5))
    assert set(labels.tolist()) == {0, 1, 2}


def test_lengths_must_agree() -> None:
    with pytest.raises(ShapeError):
        regime_labels(np.ones(5), np.ones(4))
