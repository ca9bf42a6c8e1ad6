import numpy as np
import pytest

from agv2.backtest.report.scales import time_ticks, value_ticks

HOUR_NS = 3_600_000_000_000
MONDAY_NS = 1_614_556_800_000_000_000  # 1 March 2021


@pytest.mark.parametrize(("low", "high"), [(-0.173, 0.042), (1712.3, 1744.9), (0.0, 1e-5), (-3e6, 8e6)])
def test_value_ticks_are_round_evenly_spaced_and_inside(low: float, high: float) -> None:
    ticks = value_ticks(low, high)
    steps = np.diff(ticks)
    assert 2 <= len(ticks) <= 7
    assert np.allclose(steps, steps[0])
    assert low - 1e-9 * abs(high) <= ticks[0] <= ticks[-1] <= high + 1e-9 * abs(high)
    mantissa = steps[0] / 10 ** np.floor(np.log10(steps[0]) + 1e-9)
    assert min(abs(mantissa - nice) for nice in (1, 2, 5, 10)) < 1e-6


def test_value_ticks_of_a_single_value_is_that_value() -> None:
    assert value_ticks(3.0, 3.0) == [3.0]


def test_time_ticks_stand_on_the_first_bar_of_each_day() -> None:
    stamps = MONDAY_NS + HOUR_NS * np.arange(5 * 24)
    assert [(tick.value, tick.text) for tick in time_ticks(stamps)] == [
        (24.0, "2 Mar"),
        (48.0, "3 Mar"),
        (72.0, "4 Mar"),
        (96.0, "5 Mar"),
    ]


@pytest.mark.parametrize("n_bars", [2, 30, 500, 9_000, 80_000])
def test_time_ticks_never_crowd(n_bars: int) -> None:
    ticks = time_ticks(MONDAY_NS + HOUR_NS * np.arange(n_bars), at_most=8)
    assert len(ticks) <= 8
    assert len({tick.text for tick in ticks}) == len(ticks)


def test_years_are_named_by_their_number_alone() -> None:
    assert [tick.text for tick in time_ticks(MONDAY_NS + 24 * HOUR_NS * np.arange(2200))] == [
        "2022", "2023", "2024", "2025", "2026", "2027",
    ]  # fmt: skip
