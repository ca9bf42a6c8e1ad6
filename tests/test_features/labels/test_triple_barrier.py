import numpy as np
import pytest

from agv2.core.arrays import IntArray
from agv2.core.bars import Bars
from agv2.core.errors import ShapeError
from agv2.core.orders import Side
from agv2.features.bar_volatility import bar_volatility
from agv2.features.labels.triple_barrier import BarrierOutcome, triple_barrier
from tests.markets import gappy_bars, scrambled_after

UNKNOWN, STOP, TIME, TARGET = BarrierOutcome


def outcomes(high: list[float], low: list[float], side: Side, horizon: int = 2) -> tuple[list[int], list[int]]:
    """From a close of 100 and a volatility of 1 %: the stop one unit away, the target two."""
    n_bars = len(high)
    found = triple_barrier(
        np.array(high), np.array(low), np.full(n_bars, 100.0), np.full(n_bars, 0.01), horizon, 1.0, 2.0, side
    )
    return found.outcome.tolist(), found.bars.tolist()


def test_a_long_ends_at_its_target_its_stop_or_its_time() -> None:
    high, low = [100.0, 102.0, 100.5, 100.5, 100.5], [100.0, 99.5, 99.0, 99.5, 99.5]
    assert outcomes(high, low, Side.LONG) == ([TARGET, STOP, TIME, UNKNOWN, UNKNOWN], [1, 1, 2, 0, 0])


def test_a_short_is_the_mirror_of_a_long() -> None:
    high, low = [100.0, 100.5, 101.0, 100.5, 100.5], [100.0, 98.0, 99.5, 99.5, 99.5]
    assert outcomes(high, low, Side.SHORT) == ([TARGET, STOP, TIME, UNKNOWN, UNKNOWN], [1, 1, 2, 0, 0])


@pytest.mark.parametrize("side", [Side.LONG, Side.SHORT])
def test_a_bar_that_touches_both_has_met_the_stop(side: Side) -> None:
    assert outcomes([100.0, 103.0, 100.0], [100.0, 97.0, 100.0], side)[0][0] == STOP


def test_the_bar_of_the_decision_itself_decides_nothing() -> None:
    assert outcomes([105.0, 100.5, 100.5], [95.0, 99.5, 99.5], Side.LONG)[0][0] == TIME


def test_the_last_bars_are_unknown_even_where_a_barrier_was_touched() -> None:
    found = outcomes([100.0, 100.0, 103.0], [100.0, 100.0, 99.5], Side.LONG)
    assert found[0][1] == UNKNOWN


def test_a_target_below_zero_is_never_touched() -> None:
    ones = np.ones(4)
    found = triple_barrier(ones, ones * 1e-9, ones, ones, 2, 1.0, 2.0, Side.SHORT)
    assert found.outcome.tolist() == [TIME, TIME, UNKNOWN, UNKNOWN]


def test_distances_are_in_volatilities_of_the_deciding_bar() -> None:
    high = np.array([100.0, 101.9, 100.5, 101.9, 100.5])
    sigma = np.array([0.01, 0.01, 0.005, 0.01, np.nan])
    found = triple_barrier(high, np.full(5, 99.9), np.full(5, 100.0), sigma, 1, 1.0, 2.0, Side.LONG)
    assert found.outcome.tolist() == [TIME, TIME, TARGET, TIME, UNKNOWN]


@pytest.mark.parametrize("side", [Side.LONG, Side.SHORT])
def test_it_finds_what_a_search_over_each_window_finds(side: Side) -> None:
    bars = gappy_bars(1200)
    sigma = bar_volatility(bars.close)
    found = triple_barrier(bars.high, bars.low, bars.close, sigma, 20, 2.0, 3.0, side)
    for t in range(256, len(bars) - 20, 7):
        unit = sigma[t] * bars.close[t]
        ahead = slice(t + 1, t + 21)
        if side > 0:
            stopped, reached = (
                bars.low[ahead] <= bars.close[t] - 2.0 * unit,
                bars.high[ahead] >= bars.close[t] + 3 * unit,
            )
        else:
            stopped, reached = (
                bars.high[ahead] >= bars.close[t] + 2.0 * unit,
                bars.low[ahead] <= bars.close[t] - 3 * unit,
            )
        first_stop = int(np.argmax(stopped)) if stopped.any() else 20
        first_target = int(np.argmax(reached)) if reached.any() else 20
        wanted = TIME if first_stop == first_target == 20 else STOP if first_stop <= first_target else TARGET
        assert found.outcome[t] == wanted
        assert found.bars[t] == min(first_stop, first_target, 19) + 1


@pytest.mark.parametrize("n_bars", [0, 10, 300, 777, 1000])
def test_labels_of_a_history_depend_on_nothing_after_it(n_bars: int) -> None:
    bars = gappy_bars(1000)

    def of(bars: Bars) -> IntArray:
        sigma = bar_volatility(bars.close)
        found = triple_barrier(bars.high, bars.low, bars.close, sigma, 24, 2.5, 5.0, Side.LONG)
        return np.stack([found.outcome, found.bars])

    whole, part = of(bars), of(bars.slice(0, n_bars))
    settled = max(n_bars - 24, 0)
    assert (part[:, :settled] == whole[:, :settled]).all()
    assert (part[0, settled:] == UNKNOWN).all()
    if 0 < settled < len(bars) - 24:
        assert (of(scrambled_after(bars, n_bars - 1))[:, :settled] == part[:, :settled]).all()


def test_what_cannot_be_labelled_is_refused() -> None:
    ones = np.ones(5)
    with pytest.raises(ShapeError):
        triple_barrier(ones, ones, ones, np.ones(4), 2, 1.0, 1.0, Side.LONG)
    with pytest.raises(ValueError, match="no barriers"):
        triple_barrier(ones, ones, ones, ones, 2, 1.0, 1.0, Side.FLAT)
    with pytest.raises(ValueError, match="no barriers"):
        triple_barrier(ones, ones, ones, ones, 0, 1.0, 1.0, Side.LONG)
    with pytest.raises(ValueError, match="no barriers"):
        triple_barrier(ones, ones, ones, ones, 2, float("nan"), 1.0, Side.LONG)
