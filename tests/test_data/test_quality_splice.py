"""Places at which another feed goes on, and changes that are none."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.core.bars import Bars
from agv2.data.quality.findings import Finding, Severity
from tests.quality_markets import clean_bars, findings

BARS = clean_bars(8_000, "5m")
PRICES = ("open", "high", "low", "close")


def spliced(
    at: int, *, price: float = 1.0, volume: float = 1.0, spread: float = 1.0, decimals: int | None = None
) -> Bars:
    """Another feed from bar `at` on."""
    later = np.arange(len(BARS)) >= at
    columns = {name: np.where(later, price * getattr(BARS, name), getattr(BARS, name)) for name in PRICES}
    if decimals is not None:
        columns = {name: np.where(later, np.round(values, decimals), values) for name, values in columns.items()}
    columns["volume"] = np.where(later, volume * BARS.volume, BARS.volume)
    columns["spread"] = np.where(later, spread * BARS.spread, BARS.spread)
    return replace(BARS, **columns)


def splice_in(bars: Bars) -> Finding:
    found = findings(bars)["feed_splice"]
    assert found.severity is Severity.ERROR
    assert found.count == 1
    return found


@settings(max_examples=15, deadline=None)
@given(st.integers(100, 7_900), st.sampled_from([0.024, 0.5, 1.2, 10.0]))
def test_a_step_of_the_price_beyond_anything_else_is_a_splice(at: int, factor: float) -> None:
    assert splice_in(spliced(at, price=factor)).places[0].row == at


@settings(max_examples=10, deadline=None)
@given(st.integers(2_500, 5_500))
def test_two_habits_changed_at_one_place_are_a_splice(at: int) -> None:
    for bars in (spliced(at, volume=20.0, decimals=0), spliced(at, spread=3.0, decimals=0)):
        found = splice_in(bars)
        row = found.places[0].row
        assert row is not None
        assert abs(row - at) <= 300  # a day


def test_a_feed_without_volume_and_spread_joined_to_one_with_both_is_a_splice() -> None:
    found = splice_in(spliced(4_000, volume=np.nan, spread=np.nan))
    assert found.places[0].row == 4_000


@pytest.mark.parametrize("change", [{"volume": 20.0}, {"spread": 3.0}, {"decimals": 0}])
def test_a_single_habit_changed_is_information(change: dict[str, float]) -> None:
    found = findings(spliced(4_000, **change))  # type: ignore[arg-type]  # one known name
    assert "feed_splice" not in found
    assert found["feed_change"].severity is Severity.INFO


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("timeframe", ["5m", "1h", "4h"])
def test_one_feed_is_no_splice(seed: int, timeframe: str) -> None:
    assert "feed_splice" not in findings(clean_bars(4_000, timeframe, seed))


def test_a_price_that_comes_back_is_no_splice() -> None:
    columns = {name: getattr(BARS, name).copy() for name in PRICES}
    for values in columns.values():
        values[4_000] *= 1.5
    found = findings(replace(BARS, **columns))
    assert "feed_splice" not in found
    assert found["spikes"].count == 1


def test_a_move_over_a_long_hole_is_no_splice() -> None:
    later = np.arange(len(BARS)) >= 4_000
    columns = {name: np.where(later, 1.1, 1.0) * getattr(BARS, name) for name in PRICES}
    year_ns = 365 * 86_400_000_000_000 // 7 * 7
    assert "feed_splice" not in findings(replace(BARS, ts_ns=BARS.ts_ns + np.where(later, year_ns, 0), **columns))
