"""Luck among many trials is told from skill; both tests against plain or published bodies."""

import itertools

import numpy as np
import pytest
from arch.bootstrap import SPA

from agv2.backtest.selection_tests import common_returns, overfitting_probability, superior_ability
from agv2.core.arrays import FloatArray
from agv2.core.errors import ShapeError


def noise(seed: int, n_trials: int = 10, n_days: int = 320) -> FloatArray:
    return 0.01 * np.random.default_rng(seed).standard_normal((n_days, n_trials))


def plain_probability(returns: FloatArray, n_blocks: int) -> float:
    """The published steps, one half after the other."""
    blocks = np.array_split(returns, n_blocks)
    low = []
    for half in itertools.combinations(range(n_blocks), n_blocks // 2):
        inside = np.concatenate([blocks[i] for i in half])
        outside = np.concatenate([blocks[i] for i in range(n_blocks) if i not in half])
        best = int(np.argmax(inside.mean(axis=0) / inside.std(axis=0)))
        ratios = outside.mean(axis=0) / outside.std(axis=0)
        rank = 1 + int((ratios < ratios[best]).sum())
        share = rank / (returns.shape[1] + 1)
        low.append(np.log(share / (1 - share)) <= 0.0)
    return float(np.mean(low))


@pytest.mark.parametrize(("n_days", "n_blocks"), [(320, 16), (75, 14), (61, 12)])
def test_overfitting_is_that_of_the_published_steps(n_days: int, n_blocks: int) -> None:
    returns = noise(3, n_days=n_days)
    assert overfitting_probability(returns) == plain_probability(returns, n_blocks)


def test_the_best_of_noise_is_a_coin_and_real_skill_is_not() -> None:
    lucky = [overfitting_probability(noise(seed)) for seed in range(40)]
    assert 0.4 < np.mean(lucky) < 0.65
    skilled = noise(1)
    skilled[:, 4] += 0.004
    assert overfitting_probability(skilled) < 0.01


def test_the_best_of_one_half_that_loses_the_other_is_overfitting() -> None:
    """Each trial earns in one block and pays for it in the others."""
    returns = noise(2, n_trials=16) * 0.1
    for trial, block in enumerate(np.array_split(np.arange(320), 16)):
        returns[:, trial] -= 0.001
        returns[block, trial] += 0.02
    assert overfitting_probability(returns) > 0.95


def test_trials_that_do_not_move_tie_at_nothing() -> None:
    assert np.isnan(overfitting_probability(np.zeros((100, 8))))
    assert np.isnan(overfitting_probability(np.repeat(noise(1, 1), 8, axis=1)))
    one = np.zeros((320, 8))
    one[:, 3] = noise(1, 1)[:, 0] + 0.004
    assert overfitting_probability(one) < 0.01


def test_superior_ability_is_the_library_s_on_trials_of_one_variance() -> None:
    returns = noise(5)
    returns /= returns.std(axis=0)
    ours = superior_ability(returns, np.random.default_rng(1))
    theirs = SPA(np.zeros(320), -returns, block_size=1, reps=1000, seed=np.random.default_rng(1))
    theirs.compute()
    assert ours[1] == pytest.approx(theirs.pvalues["upper"], abs=0.1)
    assert superior_ability(returns * np.geomspace(0.01, 100.0, 10), np.random.default_rng(1)) == ours


def test_noise_is_rarely_superior_and_an_edge_is() -> None:
    found = [superior_ability(noise(seed, n_days=150), np.random.default_rng(seed))[0] for seed in range(60)]
    assert np.mean(np.array(found) < 0.1) < 0.2
    skilled = noise(9)
    skilled[:, 2] += 0.003
    consistent, white = superior_ability(skilled, np.random.default_rng(0))
    assert consistent < 0.01
    assert consistent <= white


def test_poor_trials_blunt_the_reality_check_more() -> None:
    returns = noise(4, n_trials=40)
    returns[:, 1:] -= 0.01
    returns[:, 0] += 0.0011
    consistent, white = superior_ability(returns, np.random.default_rng(0))
    assert consistent < white


def test_too_little_says_nothing() -> None:
    assert np.isnan(overfitting_probability(noise(1, n_days=59)))
    assert np.isnan(overfitting_probability(noise(1, n_trials=1)))
    assert np.isnan(superior_ability(noise(1, n_days=59), np.random.default_rng(0))).all()
    assert np.isnan(superior_ability(np.zeros((100, 3)), np.random.default_rng(0))).all()
    with pytest.raises(ShapeError, match="n_days, n_trials"):
        superior_ability(np.zeros(100), np.random.default_rng(0))


def test_common_days_are_those_of_all_trials() -> None:
    days, returns = common_returns([
        (np.array([1, 2, 3, 5]), np.array([0.1, 0.2, 0.3, 0.5])),
        (np.array([2, 3, 4, 5]), np.array([2.0, 3.0, 4.0, 5.0])),
    ])  # fmt: skip
    assert days.tolist() == [2, 3, 5]
    assert returns.tolist() == [[0.2, 2.0], [0.3, 3.0], [0.5, 5.0]]
