import numpy as np
import pytest

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.errors import ShapeError
from agv2.features.bar_volatility import bar_volatility
from agv2.features.labels.level_reaction import HORIZON, REACTION_BINS, Reaction, level_reactions
from tests.markets import gappy_bars, scrambled_after

UNKNOWN, NONE, BROKE, REACTED = Reaction
ABOVE = REACTION_BINS // 2


def path_of(*steps: tuple[float, float, float]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Highs, lows and closes in volatilities of 1 % from a first close of 1."""
    high, low, close = np.exp(0.01 * np.array([(0.0, 0.0, 0.0), *steps])).T
    return high, low, close


def first_row(*steps: tuple[float, float, float]) -> list[int]:
    high, low, close = path_of(*steps)
    row: list[int] = level_reactions(high, low, close, np.full(close.size, 0.01), len(steps))[0].tolist()
    return row


def of_bars(bars: Bars) -> IntArray:
    return level_reactions(bars.high, bars.low, bars.close, bar_volatility(bars.close))


def test_a_band_is_broken_a_volatility_beyond_its_far_edge() -> None:
    row = first_row((1.5, 0.5, 1.2), (3.4, 1.0, 3.1))
    # Broken: 0–1 (from 2 on) and 1–2 (from 3 on); 2–3 and 3–4 were reached, and nothing came of it.
    assert row[ABOVE:] == [BROKE, BROKE, NONE, NONE, NONE, NONE, NONE, NONE]


def test_a_band_has_made_price_react_two_volatilities_back() -> None:
    row = first_row((1.5, 0.5, 1.2), (1.2, -1.1, -1.0))
    # 1–2 was reached at 1 and price came back to −1; for 0–1 it would have to fall to −2.
    assert row[ABOVE : ABOVE + 3] == [NONE, REACTED, NONE]


def test_below_is_the_mirror_of_above() -> None:
    steps = [
        (1.5, 0.5, 1.2),
        (3.4, -0.7, -0.1),
        (0.1, -2.5, -2.2),
        (0.9, -2.3, 0.8),
    ]  # on no edge of a band: exp rounds
    mirrored = [(-low, -high, -close) for high, low, close in steps]
    assert first_row(*mirrored) == first_row(*steps)[::-1]


def test_the_low_of_the_bar_that_reaches_a_band_proves_nothing_but_its_close_does() -> None:
    assert first_row((1.5, -1.5, 0.0))[ABOVE + 1] == NONE
    assert first_row((1.5, -1.5, -1.2))[ABOVE + 1] == REACTED


def test_a_bar_that_does_both_has_broken_through() -> None:
    assert first_row((1.5, 0.5, 1.2), (3.5, -1.5, 0.0))[ABOVE + 1] == BROKE


def test_a_gap_beyond_a_band_reaches_it() -> None:
    assert first_row((4.5, 4.1, 4.2))[ABOVE : ABOVE + 4] == [BROKE, BROKE, BROKE, NONE]
    assert first_row((2.5, 2.2, 2.4), (2.0, -1.5, -1.2))[ABOVE + 1] == REACTED


def test_reaching_a_band_after_the_horizon_is_too_late() -> None:
    high, low, close = path_of((0.5, -0.5, 0.0), (9.9, -0.5, 9.5))
    rows = level_reactions(high, low, close, np.full(3, 0.01), 1)
    assert rows[0].tolist() == [NONE] * REACTION_BINS
    assert (rows[2] == UNKNOWN).all()


def test_it_finds_what_the_docstring_says_band_by_band() -> None:
    bars = gappy_bars(1000)
    sigma = bar_volatility(bars.close)
    found = level_reactions(bars.high, bars.low, bars.close, sigma)
    for t in range(256, len(bars) - HORIZON, 41):
        ahead = slice(t + 1, t + 1 + HORIZON)
        for sign in (1, -1):
            tops, bottoms = (bars.high, bars.low) if sign > 0 else (bars.low, bars.high)
            top, bottom, end = (
                sign * np.log(prices[ahead] / bars.close[t]) / sigma[t] for prices in (tops, bottoms, bars.close)
            )
            for j in range(ABOVE):
                reached = int(np.argmax(top >= j)) if (top >= j).any() else HORIZON
                broke = top >= j + 2
                came_back = bottom <= j - 2
                came_back[: reached + 1] = False
                if reached < HORIZON:
                    came_back[reached] = end[reached] <= j - 2
                first = [int(np.argmax(each)) if each.any() else HORIZON for each in (broke, came_back)]
                wanted = NONE if min(first) == HORIZON else BROKE if first[0] <= first[1] else REACTED
                assert found[t, ABOVE + j if sign > 0 else ABOVE - 1 - j] == wanted


@pytest.mark.parametrize("n_bars", [0, 30, 400, 777, 900])
def test_labels_of_a_history_depend_on_nothing_after_it(n_bars: int) -> None:
    bars = gappy_bars(900)
    part, whole = of_bars(bars.slice(0, n_bars)), of_bars(bars)
    settled = max(n_bars - HORIZON, 0)
    assert (part[:settled] == whole[:settled]).all()
    assert (part[settled:] == UNKNOWN).all()
    if 0 < n_bars < len(bars):
        assert (of_bars(scrambled_after(bars, n_bars - 1))[:settled] == part[:settled]).all()


def test_bars_without_volatility_have_no_label() -> None:
    labels = of_bars(gappy_bars(500))
    assert (labels[:256] == UNKNOWN).all()
    assert (labels[256:-HORIZON] != UNKNOWN).all()


def test_on_a_fine_random_walk_reached_bands_break_about_as_often_as_they_react() -> None:
    close = np.exp(np.cumsum(np.random.default_rng(5).normal(0.0, 2e-4, 100_000)))
    labels = level_reactions(close, close, close, np.full(close.size, 2e-3), 1500)
    broke, reacted = (labels == BROKE).sum(), (labels == REACTED).sum()
    assert broke / (broke + reacted) == pytest.approx(0.5, abs=0.05)


def test_lengths_must_agree() -> None:
    with pytest.raises(ShapeError):
        level_reactions(np.ones(5), np.ones(5), np.ones(5), np.ones(4))
