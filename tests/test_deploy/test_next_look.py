"""A look at the next bar moves the window of the one before on by a row, bit for bit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.app.settings import load_settings
from agv2.core.bars import Bars
from agv2.deploy.model_loader import Look, ServedMarket, load_decider
from agv2.features.pipeline import compute_features
from tests.untrained_bundles import ToldBars


@pytest.fixture
def market(untrained_bundle: Path) -> ServedMarket:
    parts = load_settings(None, ())
    return load_decider(untrained_bundle, "TREND", parts.markets, parts.costs, parts.risk)


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bars features were computed of, each time."""
    counted: list[int] = []

    def computed(bars: Bars, *more: Any) -> Any:
        counted.append(len(bars))
        return compute_features(bars, *more)

    monkeypatch.setattr("agv2.deploy.model_loader.compute_features", computed)
    return counted


def assert_same(moved: Look, whole: Look) -> None:
    np.testing.assert_array_equal(moved.window, whole.window)
    np.testing.assert_array_equal(moved.view.market_row, whole.view.market_row)
    np.testing.assert_array_equal(moved.view.feature_row, whole.view.feature_row)
    assert (moved.view.bar.ts_ns, moved.view.volatility) == (whole.view.bar.ts_ns, whole.view.volatility)
    np.testing.assert_array_equal(moved.view.levels, whole.view.levels)


def test_bar_after_bar_it_sees_what_a_look_at_all_of_them_sees(
    market: ServedMarket, told_bars: ToldBars, rows: list[int]
) -> None:
    bars, needed = told_bars.bars, market.bars_needed
    look = market.look(bars.slice(0, needed))
    for stop in range(needed + 1, needed + 130):  # days change, and so do coarse bars
        look = market.look(bars.slice(0, stop), look)
        assert_same(look, market.look(bars.slice(0, stop)))
    step = needed - look.window.shape[0] + 1
    assert rows == [needed, *[step, needed] * 129]


def test_what_is_not_the_next_bar_is_looked_at_anew(market: ServedMarket, told_bars: ToldBars, rows: list[int]) -> None:
    bars, needed = told_bars.bars, market.bars_needed
    before = market.look(bars.slice(0, needed + 1))
    corrected = replace(bars, high=np.where(np.arange(len(bars)) == needed - 40, bars.high * 1.001, bars.high))
    others = [bars.slice(0, needed + 1), bars.slice(0, needed + 3), bars.slice(0, needed)]
    for other in (*others, corrected.slice(0, needed + 2)):
        assert_same(market.look(other, before), market.look(other))
    assert set(rows) == {needed}
