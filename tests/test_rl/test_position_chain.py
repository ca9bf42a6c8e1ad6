import itertools

import numpy as np
import pytest
import torch

from agv2.core.arrays import FloatArray
from agv2.rl.position_chain import choice_gains, greedy_rewards

SIDES = (0.0, 1.0, -1.0)


def a_path(n_sequences: int, n_bars: int, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    path = rng.normal(0.0, 1.0, (n_sequences, n_bars, 5))
    path[..., 2:] = np.abs(path[..., 2:]) * 0.2
    return path


def earned(path: FloatArray, held: int, chosen: int) -> float:
    """What `price_path` says of one bar, spelled out."""
    gap, body, turn, long_nights, short_nights = (float(each) for each in path)
    kept = {0: 0.0, 1: gap - long_nights, 2: -gap - short_nights}[held]
    return kept + SIDES[chosen] * body - abs(SIDES[chosen] - SIDES[held]) * turn


def expected_reward(logits: torch.Tensor, paths: FloatArray, entropy_weight: float) -> torch.Tensor:
    """By walking every possible sequence of positions, which a short path permits."""
    log_probs = logits.log_softmax(dim=-1)
    n_sequences, n_bars = paths.shape[:2]
    total: torch.Tensor = torch.zeros(())
    for b in range(n_sequences):
        for walk in itertools.product(range(3), repeat=n_bars + 1):
            log_prob, reward = torch.zeros(()), torch.zeros(())
            for t, (held, chosen) in enumerate(itertools.pairwise(walk)):
                said = log_probs[b, t, held, chosen]
                log_prob = log_prob + said
                reward = reward + earned(paths[b, t], held, chosen) - entropy_weight * said
            total += log_prob.exp() * reward / (3.0 * n_sequences * n_bars)
    return total


@pytest.mark.parametrize("entropy_weight", [0.0, 0.3])
def test_value_and_gradient_are_those_of_all_sequences_of_positions(entropy_weight: float) -> None:
    paths = a_path(2, 4)
    logits = torch.from_numpy(np.random.default_rng(1).normal(0.0, 1.0, (2, 4, 3, 3))).requires_grad_()
    value = expected_reward(logits, paths, entropy_weight)
    (wanted,) = torch.autograd.grad(value, logits)

    log_probs = logits.log_softmax(dim=-1)
    gains = np.empty(log_probs.shape, dtype=np.float32)
    found = choice_gains(log_probs.detach().numpy().astype(np.float32), paths, entropy_weight, gains)
    (gradient,) = torch.autograd.grad((log_probs.exp() * torch.from_numpy(gains)).sum() / (2 * 4), logits)
    assert found == pytest.approx(float(value.detach()), rel=1e-5)
    # The gradient of surprise itself is zero in the mean, so gains may treat it as a reward.
    np.testing.assert_allclose(gradient.numpy(), wanted.numpy(), atol=2e-6)


def test_the_likeliest_choices_are_played_from_flat() -> None:
    path = a_path(1, 5, seed=3)[0]
    wishes = [1, 1, 2, 0, 0]
    log_probs = np.full((5, 3, 3), -2.0, dtype=np.float32)
    for t, chosen in enumerate(wishes):
        log_probs[t, :, chosen] = -0.3
    rewards = np.empty(5)
    turned, held = greedy_rewards(log_probs, path, rewards)
    assert rewards == pytest.approx([earned(path[t], held, wishes[t]) for t, held in enumerate([0, *wishes[:-1]])])
    assert turned == pytest.approx((1 + 0 + 2 + 1 + 0) / 5)
    assert held == pytest.approx(3 / 5)


def test_what_is_chosen_may_depend_on_what_is_held() -> None:
    path = np.zeros((4, 5))
    path[:, 1] = 1.0
    log_probs = np.full((4, 3, 3), -2.0, dtype=np.float32)
    log_probs[0, 0, 1] = -0.1
    log_probs[1:, 1, 1] = -0.1  # whoever is long stays
    log_probs[1:, 0, 2] = -0.1
    rewards = np.empty(4)
    assert greedy_rewards(log_probs, path, rewards) == pytest.approx((0.25, 1.0))
    assert rewards.tolist() == [1.0, 1.0, 1.0, 1.0]
