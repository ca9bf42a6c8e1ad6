import dataclasses

import numpy as np
import pytest

from agv2.core.bars import Bars
from agv2.core.errors import ShapeError
from agv2.data.config import MarketsConfig
from agv2.data.synthetic_markets.instruments import INSTRUMENTS
from agv2.data.synthetic_markets.market import MarketRequest, instrument_market
from agv2.features.bar_volatility import bar_volatility
from agv2.features.labels.bar_labels import LABEL_HORIZON, BarLabels, bar_labels, class_shares
from agv2.features.support_resistance import level_density, nearest_levels
from agv2.utils.config import load_config
from tests.markets import gappy_bars, scrambled_after

HORIZONS = {"future": 12, "barrier_long": 24, "barrier_short": 24, "reaction": 48, "pattern": 12}


def labels_of(bars: Bars, horizons: tuple[int, ...] = (1, 3, 12)) -> BarLabels:
    sigma = bar_volatility(bars.close)
    levels = nearest_levels(level_density(bars.high, bars.low, bars.close, sigma, 100))
    return bar_labels(bars, sigma, levels, horizons)


def test_the_longest_look_ahead_is_that_of_the_reactions() -> None:
    assert max(HORIZONS.values()) == LABEL_HORIZON


def test_every_label_has_a_row_for_each_bar() -> None:
    labels = labels_of(gappy_bars(900), (1, 5))
    shapes = {field.name: getattr(labels, field.name).shape for field in dataclasses.fields(labels)}
    per_bar = dict.fromkeys(("regime", "barrier_long", "barrier_short", "pattern"), (900,))
    assert shapes == per_bar | {"future": (900, 2), "reaction": (900, 16)}


@pytest.mark.parametrize("n_bars", [300, 641, 800, 1099])
def test_more_bars_and_other_bars_after_them_change_no_label_that_was_known_but_regimes(n_bars: int) -> None:
    bars = gappy_bars(1100)
    part, whole, other = (labels_of(each) for each in (bars.slice(0, n_bars), bars, scrambled_after(bars, n_bars - 1)))
    for name, horizon in HORIZONS.items():
        known, more, scrambled = (getattr(each, name)[: n_bars - horizon] for each in (part, whole, other))
        assert known.tobytes() == more.tobytes() == scrambled.tobytes(), name


@pytest.mark.parametrize("n_bars", [641, 890])
def test_the_last_bars_of_a_slice_have_no_label_that_would_need_later_ones(n_bars: int) -> None:
    bars = gappy_bars(1100)
    labels = labels_of(bars.slice(0, n_bars))
    for name, horizon in HORIZONS.items():
        values = getattr(labels, name)
        last, before = values[n_bars - horizon :], values[: n_bars - horizon]
        if name == "future":
            assert np.isnan(last[:, -1]).all()
            assert not np.isnan(before[-1]).any()
        else:
            assert (last == -1).all(), name
            assert (before[-60:] != -1).any(), name


def test_a_slice_is_labelled_as_if_nothing_else_existed() -> None:
    bars = gappy_bars(1100)
    labels, again = labels_of(bars.slice(0, 900)), labels_of(scrambled_after(bars, 899).slice(0, 900))
    for field in dataclasses.fields(BarLabels):
        assert getattr(labels, field.name).tobytes() == getattr(again, field.name).tobytes(), field.name


def test_scrambling_what_a_label_looks_at_does_change_it() -> None:
    bars = gappy_bars(1100)
    labels, other = labels_of(bars), labels_of(scrambled_after(bars, 799))
    for name, horizon in HORIZONS.items():
        assert (
            getattr(labels, name)[800 - horizon : 800].tobytes() != getattr(other, name)[800 - horizon : 800].tobytes()
        )
    assert labels.regime.tobytes() != other.regime.tobytes()


@pytest.mark.parametrize("symbol", INSTRUMENTS)
def test_no_class_of_any_label_is_empty_or_has_nearly_all_on_a_synthetic_market(symbol: str) -> None:
    config = load_config(MarketsConfig, "markets").entry(symbol)[0]
    bars = instrument_market(MarketRequest(symbol, n_bars=4000, seed=11), config).bars
    shares = class_shares(labels_of(bars))
    assert set(shares) == set(HORIZONS) - {"future"} | {"regime"}
    for name, each in shares.items():
        assert each.sum() == pytest.approx(1.0)
        assert 0.05 < each.min() <= each.max() < 0.8, name


def test_shares_leave_unknown_labels_out_and_are_nan_where_none_is_known() -> None:
    labels = labels_of(gappy_bars(200))
    assert all(np.isnan(each).all() for each in class_shares(labels).values())
    some = dataclasses.replace(labels, regime=np.array([-1, 0, 2, 2, -1, 0]))
    assert class_shares(some)["regime"].tolist() == [0.5, 0.0, 0.5]


def test_volatilities_and_levels_of_other_bars_are_refused() -> None:
    bars = gappy_bars(700)
    sigma = bar_volatility(bars.close)
    levels = nearest_levels(level_density(bars.high, bars.low, bars.close, sigma, 100))
    for each in (bars.slice(0, 699), bars.slice(1, 700)):
        with pytest.raises(ShapeError):
            bar_labels(each, sigma, levels)
    with pytest.raises(ShapeError):
        bar_labels(bars, sigma, type(levels)(*(column[1:] for column in levels)))
