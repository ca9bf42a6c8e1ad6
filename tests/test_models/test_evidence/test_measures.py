import math

import numpy as np
import pytest

from agv2.models.evidence.measures import level_measures, quantile_measures

LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
NORMAL = np.array([-1.6449, -0.6745, 0.0, 0.6745, 1.6449])


def test_right_quantiles_cover_what_they_say() -> None:
    future = np.random.default_rng(0).standard_normal(100_000)
    found = quantile_measures(np.tile(NORMAL, (100_000, 1)), future, LEVELS)
    assert found["coverage_50"] == pytest.approx(0.5, abs=0.01)
    assert found["coverage_90"] == pytest.approx(0.9, abs=0.01)
    assert [found[f"pit_{i}"] for i in range(6)] == pytest.approx([0.05, 0.2, 0.25, 0.25, 0.2, 0.05], abs=0.01)
    assert found["pit_deviation"] < 0.01


def test_quantiles_that_are_too_narrow_are_found_out() -> None:
    future = np.random.default_rng(0).standard_normal(100_000)
    found = quantile_measures(np.tile(0.5 * NORMAL, (100_000, 1)), future, LEVELS)
    assert found["coverage_90"] == pytest.approx(0.589, abs=0.01)  # of a normal within 0.82
    assert found["pit_deviation"] == pytest.approx(found["pit_0"] - 0.05, abs=0.01)


def test_shares_are_counted_from_below_and_of_known_returns() -> None:
    quantiles = np.tile([-1.0, 0.0, 1.0], (5, 1))
    found = quantile_measures(quantiles, np.array([-2.0, -0.5, 0.5, 0.7, math.nan]), np.array([0.1, 0.5, 0.8]))
    assert [found[f"pit_{i}"] for i in range(4)] == [0.25, 0.25, 0.5, 0.0]
    assert found["pit_deviation"] == pytest.approx(0.2)
    assert not [name for name in found if name.startswith("coverage")]  # no pair of levels is symmetric
    assert math.isnan(quantile_measures(quantiles[:1], np.array([math.nan]), np.array([0.1, 0.5, 0.9]))["coverage_80"])


def test_bands_are_grouped_by_how_far_they_are_from_the_close() -> None:
    rng = np.random.default_rng(1)
    reacted = (rng.random((500, 16)) < 0.5).astype(np.int8)
    low = np.arange(16) - 8
    near = (low >= -2) & (low < 2)
    far = (low < -5) | (low >= 5)
    probs = np.where(near, reacted, np.where(far, 1.0 - reacted, 0.5)).astype(np.float64)
    found = level_measures(probs, reacted)
    assert [found[f"auc_{group}"] for group in ("near", "middle", "far")] == [1.0, 0.5, 0.0]
    assert [found[f"brier_{group}"] for group in ("near", "middle", "far")] == [0.0, 0.25, 1.0]
    assert found["auc"] == pytest.approx((4 * 1.0 + 6 * 0.5) / 16)


def test_nothing_known_of_levels_is_nothing_measured() -> None:
    found = level_measures(np.full((3, 16), 0.5), np.full((3, 16), -1, dtype=np.int8))
    assert all(math.isnan(value) for value in found.values())
