import math

import numpy as np
import pytest

from agv2.core.arrays import FloatArray
from agv2.core.errors import DataError, ShapeError
from agv2.models.block_bootstrap_scores import LossDifference, loss_difference


def autoregression(persistence: float, n: int, generator: np.random.Generator) -> FloatArray:
    """A stretch of a stationary AR(1) with mean zero."""
    noise = generator.standard_normal(n + 200)
    for i in range(1, noise.size):
        noise[i] += persistence * noise[i - 1]
    return noise[200:]


def compared(
    difference: FloatArray, seed: int = 0, ts_ns: "np.typing.NDArray[np.int64] | None" = None, horizon: int = 1
) -> LossDifference:
    stamps = np.arange(difference.size, dtype=np.int64) if ts_ns is None else ts_ns
    baseline = np.full(difference.size, 5.0)
    generator = np.random.default_rng(seed)
    return loss_difference(baseline + difference, baseline, stamps, generator, horizon=horizon, n_resamples=600)


@pytest.mark.parametrize(("persistence", "least"), [(0.0, 0.92), (0.5, 0.90), (0.9, 0.86)])
def test_interval_covers_the_mean_of_autocorrelated_losses(persistence: float, least: float) -> None:
    """At a nominal 0.95; 300 series have a standard error of 0.013 to 0.02. A naive interval at 0.9 covers 0.35."""
    hits = 0
    for seed in range(300):
        generator = np.random.default_rng([7, seed])
        found = compared(0.3 + autoregression(persistence, 800, generator), seed)
        hits += found.low < 0.3 < found.high
    assert least < hits / 300 < 0.985


def test_few_blocks_are_not_taken_for_many() -> None:
    """Eight blocks at a nominal 0.95; without the widening these series are covered 0.91 of the time."""
    hits = 0
    for seed in range(300):
        found = compared(np.random.default_rng([8, seed]).standard_normal(100), seed, horizon=12)
        hits += found.low < 0.0 < found.high
    assert 0.93 < hits / 300 < 0.985


def test_width_of_independent_losses_is_that_of_theory() -> None:
    found = compared(np.random.default_rng(1).standard_normal(4000))
    assert (found.high - found.low) / 2.0 == pytest.approx(1.96 / math.sqrt(4000), rel=0.1)
    assert found.n_rows == 4000


def test_mean_is_that_of_the_rows_and_a_clear_gain_is_better() -> None:
    difference = np.random.default_rng(2).standard_normal(2000) - 0.2
    found = compared(difference)
    assert found.mean == pytest.approx(difference.mean())
    assert found.low < found.mean < found.high
    assert found.is_better
    assert not compared(-difference).is_better
    assert not compared(difference - difference.mean()).is_better


def test_equal_losses_differ_by_nothing() -> None:
    found = compared(np.zeros(500))
    assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)
    assert not found.is_better


def test_copies_at_one_moment_are_no_more_evidence() -> None:
    """Four symbols that move as one must give the interval of one, not one half as wide."""
    difference = np.random.default_rng(3).standard_normal(1500)
    stamps = np.arange(1500, dtype=np.int64)
    one = compared(difference, ts_ns=stamps)
    four = compared(np.tile(difference, 4), ts_ns=np.tile(stamps, 4))
    assert four.low == pytest.approx(one.low)
    assert four.high == pytest.approx(one.high)
    assert four.n_rows == 4 * one.n_rows


def test_order_of_the_rows_does_not_matter_but_that_of_time_does() -> None:
    difference = autoregression(0.8, 3000, np.random.default_rng(4))
    stamps = np.arange(3000, dtype=np.int64)
    mixed = np.random.default_rng(5).permutation(3000)
    ordered, same, shuffled = (
        compared(difference, ts_ns=stamps),
        compared(difference[mixed], ts_ns=stamps[mixed]),
        compared(difference[mixed], ts_ns=stamps),
    )
    assert same.low == pytest.approx(ordered.low)
    assert ordered.high - ordered.low > 2.0 * (shuffled.high - shuffled.low)


def test_unknown_losses_are_ignored() -> None:
    difference = np.random.default_rng(6).standard_normal(1000)
    gaps = difference.copy()
    gaps[::3] = np.nan
    found = compared(gaps)
    assert found.mean == pytest.approx(np.nanmean(gaps))
    assert found.n_rows == 666
    kept = compared(difference[np.isfinite(gaps)])
    assert (found.low, found.high) == (kept.low, kept.high)


def test_blocks_are_at_least_as_long_as_the_horizon() -> None:
    noise = np.random.default_rng(7).standard_normal(2000)
    assert compared(noise, horizon=12).block_length == 12
    assert compared(autoregression(0.9, 2000, np.random.default_rng(8)), horizon=12).block_length > 12


def test_too_few_blocks_have_no_interval() -> None:
    found = compared(np.random.default_rng(9).standard_normal(60), horizon=12)
    assert math.isfinite(found.mean)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert not found.is_better


def test_same_seed_same_interval_and_another_seed_another() -> None:
    noise = np.random.default_rng(10).standard_normal(500)
    assert compared(noise, 1) == compared(noise, 1)
    assert compared(noise, 1).low != compared(noise, 2).low


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(DataError, match="no row"):
        compared(np.full(100, np.nan))
    with pytest.raises(ShapeError):
        loss_difference(np.zeros(3), np.zeros(4), np.arange(3), np.random.default_rng(0))
