import math

import numpy as np
import pytest

from agv2.risk.kelly import EdgeEstimate, estimate_edge, with_evidence
from tests.tapes import limits

FOUND = EdgeEstimate(n_bars=1_000, mean=0.06, error=0.02, variance=1.2)


def noise(n_bars: int, seed: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1.0, (n_bars, 1))


def test_the_kelly_size_by_hand() -> None:
    """0.06 / 1.2 = 0.05, shrunk by 9 / (9 + 1): three standard errors from zero."""
    assert FOUND.kelly_volatility == pytest.approx(0.045)
    assert FOUND.interval == pytest.approx((0.0208, 0.0992), abs=1e-4)


def test_the_shrunk_stake_grows_most_over_the_errors_of_the_mean() -> None:
    """Growth of the stake k * estimate / variance, averaged over estimates around the truth, by brute force."""
    truth, error, variance = 0.06, 0.04, 1.2
    stakes = (truth + error * np.random.default_rng(0).normal(size=400_000)) / variance
    factors = np.linspace(0.0, 1.5, 301)
    growth = factors * stakes.mean() * truth - 0.5 * factors**2 * np.square(stakes).mean() * variance
    unshrunk = truth / variance
    shrunk = EdgeEstimate(1_000, truth, error, variance).kelly_volatility
    assert factors[growth.argmax()] == pytest.approx(shrunk / unshrunk, abs=0.01)


def test_mean_variance_and_error_of_independent_returns() -> None:
    found = estimate_edge(noise(4_000, 1, mean=0.1))
    assert found.n_bars == 4_000
    assert found.mean == pytest.approx(0.1, abs=0.05)
    assert found.variance == pytest.approx(1.0, rel=0.05)
    assert found.error == pytest.approx(1.0 / math.sqrt(4_000), rel=0.15)


def test_one_time_in_twenty_the_interval_misses() -> None:
    covered = [low <= 0.0 <= high for low, high in (estimate_edge(noise(800, seed)).interval for seed in range(600))]
    assert 0.925 < np.mean(covered) < 0.97


def test_returns_that_hang_together_prove_less() -> None:
    steps = np.random.default_rng(3).normal(size=4_003)
    smooth = (steps[:-3] + steps[1:-2] + steps[2:-1] + steps[3:])[:, np.newaxis] / 2.0  # variance 1, long-run 4
    assert estimate_edge(smooth).error == pytest.approx(2.0 / math.sqrt(4_000), rel=0.25)


def test_two_markets_that_are_one_prove_no_more_than_one() -> None:
    one = noise(2_000, 4, mean=0.1)
    twice = estimate_edge(np.hstack([one, one]))
    alone = estimate_edge(one)
    assert twice.n_bars == 2 * alone.n_bars
    assert (twice.mean, twice.error) == pytest.approx((alone.mean, alone.error))


def test_bars_without_a_position_count_for_nothing() -> None:
    held = noise(1_000, 5, mean=0.1)
    gaps = np.full((2_000, 2), np.nan)
    gaps[::2, 1] = held[:, 0]
    found = estimate_edge(gaps)
    assert found.n_bars == 1_000
    assert found.mean == pytest.approx(held.mean())
    assert found.error == pytest.approx(estimate_edge(held).error, rel=0.15)


def test_nothing_held_is_nothing_proven() -> None:
    for returns in (np.full((50, 2), np.nan), np.empty((0, 1)), np.array([[0.3]])):
        found = estimate_edge(returns)
        assert (found.mean, found.error, found.kelly_volatility) == (0.0, 0.0, 0.0)
        assert not found.is_proven


@pytest.mark.parametrize(
    ("edge", "simulated_share"),
    [
        (EdgeEstimate(1_000, 0.06, 0.031, 1.2), 0.25),
        (EdgeEstimate(1_000, -0.06, 0.031, 1.2), 0.25),
        (EdgeEstimate(99, 0.06, 0.02, 1.2), 0.25),
        (EdgeEstimate(99, -0.06, 0.02, 1.2), 0.25),
        (EdgeEstimate(1_000, -0.06, 0.02, 1.2), 0.0),
    ],
)
def test_what_is_not_proven_trades_a_quarter_in_simulation_and_nothing_live(
    edge: EdgeEstimate, simulated_share: float
) -> None:
    full = limits()
    assert not edge.is_proven
    assert with_evidence(full, edge, 0.2) == full._replace(evidence_scale=simulated_share)
    assert with_evidence(full, edge, 0.2, live=True) == full._replace(evidence_scale=0.0)


def test_what_is_proven_is_capped_alike_in_simulation_and_live() -> None:
    full = limits()
    assert FOUND.is_proven
    capped = full._replace(kelly_volatility=0.2 * FOUND.kelly_volatility)
    assert with_evidence(full, FOUND, 0.2) == with_evidence(full, FOUND, 0.2, live=True) == capped


def test_off_is_off_and_no_estimate_is_no_proof() -> None:
    assert with_evidence(limits(), EdgeEstimate(0, 0.0, 0.0, 0.0), 0.0, live=True) == limits()
    assert with_evidence(limits(), None, 0.2).evidence_scale == 0.25
