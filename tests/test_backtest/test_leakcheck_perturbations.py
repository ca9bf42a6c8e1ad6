"""Perturbed histories are what they claim: another future, the same past."""

import numpy as np
import pytest

from agv2.backtest.leakcheck_perturbations import (
    Perturbation,
    clock_shift_weeks,
    moved_by_weeks,
    with_another_future,
)
from agv2.core.timeframes import Timeframe, utc_offset_ns
from tests.factories import bars_of
from tests.markets import gappy_bars

BARS = gappy_bars(500)
FIELDS = ("ts_ns", "open", "high", "low", "close", "volume", "spread")
FUTURES = (Perturbation.NOISE, Perturbation.SPIKES, Perturbation.STAMPS, Perturbation.TRUNCATION)
WEEK_NS = 7 * 86_400_000_000_000


@pytest.mark.parametrize("t", [0, 250, 498])
@pytest.mark.parametrize("kind", FUTURES)
def test_the_past_stays_bit_for_bit_and_the_next_bar_does_not(kind: Perturbation, t: int) -> None:
    other = with_another_future(BARS, t, kind, np.random.default_rng(0))
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(other, name)[: t + 1], getattr(BARS, name)[: t + 1])
    if kind is Perturbation.TRUNCATION:
        assert len(other) == t + 1
    elif kind is Perturbation.STAMPS:
        assert other.ts_ns[t + 1] > BARS.ts_ns[t + 1]
    else:
        assert other.close[t + 1] != BARS.close[t + 1]


@pytest.mark.parametrize("kind", FUTURES)
def test_every_future_is_made_of_bars(kind: Perturbation) -> None:
    other = with_another_future(BARS, 100, kind, np.random.default_rng(1))
    assert (np.diff(other.ts_ns) >= other.timeframe.nanoseconds).all()
    assert (other.low > 0).all()
    tolerance = 1 + 1e-12  # a product may be off by a rounding
    assert (other.low <= np.minimum(other.open, other.close) * tolerance).all()
    assert (other.high * tolerance >= np.maximum(other.open, other.close)).all()


def test_unknown_volume_and_spread_are_no_obstacle() -> None:
    bars = bars_of([100.0, 101.0, 102.0, 103.0])
    assert len(with_another_future(bars, 1, Perturbation.NOISE, np.random.default_rng(0))) == 4


@pytest.mark.parametrize("timeframe", ["1m", "1h"])
def test_a_moved_clock_keeps_local_times_and_coarse_bars(timeframe: str) -> None:
    bars = gappy_bars(9_000, timeframe)  # at 1h more than a year: summer time begins and ends
    zones = ("America/New_York", "Europe/London", "Asia/Tokyo")
    weeks = clock_shift_weeks(bars.ts_ns, zones, [Timeframe.parse("4h").nanoseconds])
    assert weeks
    moved = moved_by_weeks(bars, weeks)
    assert set(np.unique(moved.ts_ns - bars.ts_ns)) == {weeks * WEEK_NS}
    for zone in zones:
        np.testing.assert_array_equal(utc_offset_ns(moved.ts_ns, zone), utc_offset_ns(bars.ts_ns, zone))


def test_a_clock_with_rules_of_its_own_time_is_not_moved() -> None:
    """American summer time had other dates before 2007, and European clocks others before 1996."""
    hours = np.arange(0, 15 * 365 * 24, 24, dtype=np.int64) * 3_600_000_000_000
    from_1993 = 725_846_400_000_000_000 + hours
    assert clock_shift_weeks(from_1993, ("America/New_York", "Europe/London"), []) is None


def test_a_shift_holds_coarse_bars_that_do_not_divide_a_week() -> None:
    bars = gappy_bars(400, "2h")
    weeks = clock_shift_weeks(bars.ts_ns, ("America/New_York",), [Timeframe.parse("2d").nanoseconds])
    assert weeks
    assert weeks % 2 == 0
