import numpy as np
import pytest

from agv2.core.arrays import IntArray
from agv2.core.bars import Bars
from agv2.core.errors import ShapeError
from agv2.features.bar_volatility import bar_volatility
from agv2.features.labels.breakout import HORIZON, Pattern, breakout_labels
from agv2.features.support_resistance import HALF_WIDTH_SIGMAS, Levels, level_density, nearest_levels
from tests.markets import gappy_bars, scrambled_after

UNKNOWN, NEITHER, BREAKOUT, REVERSAL = Pattern


def label_of(
    *steps: tuple[float, float, float], above: float = HALF_WIDTH_SIGMAS, below: float = HALF_WIDTH_SIGMAS
) -> int:
    """Label of the first of some bars (high, low, close in volatilities of 1 %) with levels around its close."""
    high, low, close = np.exp(0.01 * np.array(steps)).T
    strengths = [np.full(close.size, float(distance < HALF_WIDTH_SIGMAS)) for distance in (above, below)]
    levels = Levels(np.full(close.size, above), np.full(close.size, below), *strengths)
    return int(breakout_labels(high, low, close, np.full(close.size, 0.01), levels, len(steps) - 1)[0])


def of_bars(bars: Bars) -> IntArray:
    sigma = bar_volatility(bars.close)
    levels = nearest_levels(level_density(bars.high, bars.low, bars.close, sigma, 100))
    return breakout_labels(bars.high, bars.low, bars.close, sigma, levels)


def mirrored(*steps: tuple[float, float, float]) -> list[tuple[float, float, float]]:
    return [(-low, -high, -close) for high, low, close in steps]


TOUCH = (0.6, -0.1, 0.0)  # comes within half a volatility of a level at one
CASES = [
    ([TOUCH, (2.0, 0.0, 1.9), (4.1, 1.5, 3.9)], BREAKOUT),
    ([TOUCH, (0.5, -1.0, -0.9), (-0.5, -2.1, -1.8)], REVERSAL),
    ([TOUCH, (3.9, -1.9, 0.0), (2.0, -1.0, 1.0)], NEITHER),
    ([TOUCH, (4.1, -2.1, 0.0), (2.0, -1.0, 1.0)], BREAKOUT),
    ([(0.4, -0.1, 0.0), (2.0, 0.0, 1.9), (4.1, 1.5, 3.9)], UNKNOWN),
]


@pytest.mark.parametrize(("steps", "wanted"), CASES)
def test_what_follows_a_touch_of_the_level_above(steps: list[tuple[float, float, float]], wanted: Pattern) -> None:
    assert label_of(*steps, above=1.0) == wanted


@pytest.mark.parametrize(("steps", "wanted"), CASES)
def test_below_is_the_mirror_of_above(steps: list[tuple[float, float, float]], wanted: Pattern) -> None:
    assert label_of(*mirrored(*steps), below=1.0) == wanted


def test_of_two_touched_levels_the_nearer_counts() -> None:
    climb = [(0.6, -0.6, 0.0), (3.3, 0.0, 3.2), (4.2, 3.0, 4.0)]
    assert label_of(*climb[:2], above=1.0, below=0.5) == REVERSAL
    assert label_of(*climb, above=0.5, below=1.0) == BREAKOUT
    assert label_of(*climb[:2], above=0.75, below=0.75) == NEITHER  # above on a tie, and 3.75 was not reached


def test_without_a_level_nothing_is_touched() -> None:
    assert label_of((20.0, -20.0, 0.0), (20.0, -20.0, 0.0)) == UNKNOWN


@pytest.mark.parametrize("n_bars", [0, 10, 500, 777, 1100])
def test_labels_of_a_history_depend_on_nothing_after_it(n_bars: int) -> None:
    bars = gappy_bars(1100)
    part, whole = of_bars(bars.slice(0, n_bars)), of_bars(bars)
    settled = max(n_bars - HORIZON, 0)
    assert (part[:settled] == whole[:settled]).all()
    assert (part[settled:] == UNKNOWN).all()
    if 0 < n_bars < len(bars):
        assert (of_bars(scrambled_after(bars, n_bars - 1))[:settled] == part[:settled]).all()


def test_every_class_occurs_and_bars_before_the_first_levels_have_none() -> None:
    labels = of_bars(gappy_bars(1100))
    assert (labels[:256] == UNKNOWN).all()
    assert set(labels.tolist()) == {UNKNOWN, NEITHER, BREAKOUT, REVERSAL}


def test_lengths_must_agree() -> None:
    ones = np.ones(5)
    with pytest.raises(ShapeError):
        breakout_labels(ones, ones, ones, ones, Levels(*[np.ones(4)] * 4))
