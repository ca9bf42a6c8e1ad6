import hashlib

import numpy as np
import pytest

from agv2.core.arrays import FloatArray
from agv2.core.bars import Bars
from agv2.core.jit import PLAIN_KERNELS
from agv2.features.bar_volatility import bar_volatility
from agv2.features.support_resistance import (
    HALF_WIDTH_SIGMAS,
    HEATMAP_BINS,
    MEMORY_BARS,
    PIVOT_WING,
    density_lookback,
    fractal_pivots,
    level_density,
    nearest_levels,
)
from tests.markets import gappy_bars, scrambled_after
from tests.plain_kernels import printed

LOOKBACK = density_lookback()
GRID = (np.arange(HEATMAP_BINS) - 31.5) / 2.0
PRINT_DIGEST = "from tests.test_features.test_support_resistance import digest; print(*digest())"


def density_of(bars: Bars, memory: int = MEMORY_BARS) -> FloatArray:
    return level_density(bars.high, bars.low, bars.close, bar_volatility(bars.close), memory)


def naive_row(high: FloatArray, low: FloatArray, close: FloatArray, sigma: FloatArray, memory: int) -> FloatArray:
    """The last bar's density, word for word from the docstring."""
    t = close.size - 1
    total = np.zeros(HEATMAP_BINS)
    for i in range(t - memory + 1, t - PIVOT_WING + 1):
        known = i + PIVOT_WING
        if np.isnan(sigma[known]):
            continue
        for sign, price in ((1.0, high), (-1.0, low)):
            before, after = sign * price[i - PIVOT_WING : i], sign * price[i + 1 : known + 1]
            if not ((before < sign * price[i]).all() and (after <= sign * price[i]).all()):
                continue
            later = sign * np.log(close[known + 1 :] / price[i])
            if (later > sigma[known]).any():
                continue
            near = np.log(low[known + 1 :] / price[i]) <= 0.5 * sigma[known]
            near &= np.log(high[known + 1 :] / price[i]) >= -0.5 * sigma[known]
            visits = min(5, int((near & ~np.append(True, near[:-1])).sum()) if near.size else 0)
            distance = np.log(price[i] / close[t]) / sigma[t]
            away = np.max(sign * np.log(price[i] / (low if sign > 0.0 else high)[i + 1 :]))
            prominence = min(1.0, max(0.0, away) / (16.0 * sigma[known]))
            weight = prominence * 0.5 ** ((t - i) / (0.5 * memory)) * (1.0 + 0.5 * visits)
            total += weight * np.exp(-0.5 * ((GRID - distance) / 0.75) ** 2)
    return total


@pytest.mark.parametrize("memory", [60, MEMORY_BARS])
def test_density_is_the_sum_over_pivots_that_the_docstring_describes(memory: int) -> None:
    bars = gappy_bars(1900)
    sigma = bar_volatility(bars.close)
    found = level_density(bars.high, bars.low, bars.close, sigma, memory)
    for t in range(600, len(bars), 61):
        part = slice(t + 1 - memory - PIVOT_WING, t + 1)
        wanted = naive_row(bars.high[part], bars.low[part], bars.close[part], sigma[part], memory)
        assert np.abs(found[t] - wanted).max() <= 1e-5 * max(wanted.max(), 1.0)


@pytest.mark.parametrize("timeframe", ["5m", "1h", "4h"])
def test_a_row_from_the_whole_history_equals_the_row_from_its_last_bars(timeframe: str) -> None:
    bars = gappy_bars(1600, timeframe)
    sigma = bar_volatility(bars.close)
    whole = level_density(bars.high, bars.low, bars.close, sigma)
    levels = nearest_levels(whole)
    for stop in range(LOOKBACK + 1, len(bars) + 1, 23):
        part = slice(stop - LOOKBACK, stop)
        alone = level_density(bars.high[part], bars.low[part], bars.close[part], sigma[part])
        assert alone[-1].tobytes() == whole[stop - 1].tobytes()
        assert np.isnan(alone[:-1]).all()
        for one, all_ in zip(nearest_levels(alone), levels, strict=True):
            assert one[-1:].tobytes() == all_[stop - 1 : stop].tobytes()


def test_scrambling_the_future_moves_no_bit_at_or_before_t() -> None:
    bars = gappy_bars(1200)
    before = density_of(bars)
    for t in (700, 801, 1050):
        after = density_of(scrambled_after(bars, t))
        assert after[: t + 1].tobytes() == before[: t + 1].tobytes()
        assert after[t + 1 :].tobytes() != before[t + 1 :].tobytes()


def test_up_and_down_are_treated_alike() -> None:
    bars = gappy_bars(1100)
    sigma = bar_volatility(bars.close)
    up = level_density(bars.high, bars.low, bars.close, sigma)
    down = level_density(1.0 / bars.low, 1.0 / bars.high, 1.0 / bars.close, sigma)
    known = ~np.isnan(up[:, 0])
    assert known.sum() > 500
    # Rounding may move a bar's edge across a tolerance, so a visit more or less: once in thousands.
    differs = np.abs(down[known][:, ::-1] - up[known]).max(axis=1) > 1e-8
    assert differs.mean() < 0.01


@pytest.mark.parametrize("factor", [64.0, 0.01])
def test_scaling_all_prices_changes_nothing_but_rounding(factor: float) -> None:
    bars = gappy_bars(1100)
    sigma = bar_volatility(bars.close)
    found = level_density(bars.high, bars.low, bars.close, sigma)
    scaled = level_density(bars.high * factor, bars.low * factor, bars.close * factor, sigma)
    known = ~np.isnan(found[:, 0])
    assert (np.abs(scaled[known] - found[known]).max(axis=1) > 1e-8).mean() < 0.01


def test_of_equal_highs_side_by_side_the_first_is_the_pivot() -> None:
    high = np.array([1.0, 2.0, 3.0, 5.0, 5.0, 4.0, 3.0, 2.0, 1.0, 1.0])
    confirmed = fractal_pivots(high, high - 0.5, 3)
    assert confirmed.tolist() == [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]


def test_a_pivot_is_confirmed_only_when_its_last_wing_bar_has_closed() -> None:
    low = np.array([5.0, 4.0, 3.0, 1.0, 3.0, 4.0, 5.0])
    assert fractal_pivots(low + 1.0, low, 3).tolist() == [0, 0, 0, 0, 0, 0, 2]
    assert fractal_pivots(low[:6] + 1.0, low[:6], 3).tolist() == [0] * 6


def test_a_spike_bar_is_high_and_low_at_once() -> None:
    high = np.array([2.0, 2.0, 2.0, 9.0, 2.0, 2.0, 2.0])
    low = np.array([1.0, 1.0, 1.0, 0.5, 1.0, 1.0, 1.0])
    assert fractal_pivots(high, low, 3)[-1] == 3


def test_prices_without_a_pivot_have_no_density_and_no_levels() -> None:
    close = np.exp(np.linspace(0.0, 1.0, 120))
    density = level_density(close * 1.001, close * 0.999, close, np.full(120, 0.01), 50)
    assert (density[52:] == 0.0).all()
    levels = nearest_levels(density)
    assert (levels.above[52:] == HALF_WIDTH_SIGMAS).all()
    assert (levels.below[52:] == HALF_WIDTH_SIGMAS).all()
    assert (levels.above_strength[52:] == 0.0).all()
    assert (levels.below_strength[52:] == 0.0).all()


def test_density_is_unknown_where_volatility_is_and_before_its_memory_is_full() -> None:
    bars = gappy_bars(700)
    sigma = np.full(700, 0.01)
    sigma[650] = np.nan
    density = level_density(bars.high, bars.low, bars.close, sigma, 100)
    unknown = np.flatnonzero(np.isnan(density).any(axis=1))
    assert unknown.tolist() == [*range(102), 650]
    assert (np.flatnonzero(np.isnan(nearest_levels(density).above)) == unknown).all()


def lone_pivot() -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Bars of a pivot high at bar 80, two volatilities above what follows once price has gone sixteen below it."""
    close = np.full(200, 100.0)
    high, low = close + 0.01, close - 0.01
    high[80] = 102.0
    low[84] = 80.0
    return high, low, close, np.full(200, 0.01)


def test_one_pivot_gives_one_level_at_its_distance_which_fades_and_grows_with_visits() -> None:
    high, low, close, sigma = lone_pivot()
    density = level_density(high, low, close, sigma, 100)
    levels = nearest_levels(density)
    assert levels.above[110] == pytest.approx(2.0, abs=0.3)
    assert levels.below[110] == HALF_WIDTH_SIGMAS
    # Half of the memory later half is left; bins lie where they lay.
    assert density[149].max() == pytest.approx(2.0 ** (-29 / 50) * density[120].max())
    high[130] = 101.9
    visited = level_density(high, low, close, sigma, 100)
    assert visited[132].max() == pytest.approx(1.5 * density[132].max())
    assert (visited[:130] == density[:130])[103:].all()


def test_a_pivot_counts_by_how_far_price_has_left_it_as_known_by_then() -> None:
    high, low, close, sigma = lone_pivot()
    low[84] = 99.99
    low[120] = 102.0 * np.exp(-0.08)  # half of sixteen volatilities
    density = level_density(high, low, close, sigma, 100).max(axis=1)
    fade = 2.0 ** (-1 / 50)
    assert density[120] / density[119] == pytest.approx(fade * 0.08 / np.log(102.0 / 99.99))
    assert density[121] / density[120] == pytest.approx(fade)


@pytest.mark.parametrize(("close_at", "stands"), [(102.9, True), (103.1, False)])
def test_a_close_beyond_a_pivot_ends_it_for_good(close_at: float, stands: bool) -> None:
    high, low, close, sigma = lone_pivot()
    close[110], high[110] = close_at, 103.5
    density = level_density(high, low, close, sigma, 100)
    assert density[109].max() > 0.0
    assert bool(density[111].max() > 0.0) is stands
    assert bool(density[112].max() > 0.0) is stands
    # The mirror: a pivot low, closed below.
    mirrored = level_density(1.0 / low, 1.0 / high, 1.0 / close, sigma, 100)
    assert bool(mirrored[112].max() > 0.0) is stands


def test_peaks_weaker_than_half_a_pivot_are_no_levels() -> None:
    row = np.zeros((2, HEATMAP_BINS))
    row[:, 36], row[:, 40], row[:, 20] = 0.49, 0.5, [0.49, 0.51]
    levels = nearest_levels(row)
    assert levels.above.tolist() == [4.25, 4.25]
    assert levels.above_strength.tolist() == [0.5, 0.5]
    assert levels.below_strength.tolist() == [0.0, 0.51]


def test_no_bars_give_no_rows() -> None:
    none = np.empty(0)
    assert level_density(none, none, none, none).shape == (0, HEATMAP_BINS)
    assert nearest_levels(np.empty((0, HEATMAP_BINS))).above.size == 0


def digest() -> tuple[bool, str]:
    bars = gappy_bars(900)
    density = density_of(bars)
    levels = b"".join(column.tobytes() for column in nearest_levels(density))
    return PLAIN_KERNELS, hashlib.sha256(density.tobytes() + levels).hexdigest()


def test_compiled_density_equals_the_plain_one_bit_for_bit() -> None:
    plain, compiled = (text.split() for text in printed(PRINT_DIGEST))
    assert (plain[0], compiled[0]) == ("True", "False")
    assert plain[1] == compiled[1]


def test_a_level_at_the_close_is_the_nearest_below() -> None:
    density = np.zeros((1, HEATMAP_BINS))
    density[0, [31, 32]] = 1.5
    density[0, 50] = 0.9
    levels = nearest_levels(density)
    assert (levels.below[0], levels.below_strength[0]) == (0.25, 1.5)
    assert (levels.above[0], levels.above_strength[0]) == (9.25, 0.9)
