import numpy as np
import pytest
import torch
from gymnasium import spaces

from agv2.decision.actions import ACTION_NVEC
from agv2.decision.observation import BOOK_FIELDS
from agv2.rl.trading_policy import TradingActorCritic, head_log_probs

SIZE = 4 + len(BOOK_FIELDS)


def a_policy() -> TradingActorCritic:
    torch.manual_seed(0)
    policy = TradingActorCritic(
        spaces.Box(-1e6, 1e6, (SIZE,), np.float32), spaces.MultiDiscrete(list(ACTION_NVEC)), lambda _: 1e-3
    )
    with torch.no_grad():
        policy.action_net.get_parameter("weight").mul_(100.0)
    return policy


def rows(side: float = 0.0, halted: float = 0.0, n: int = 1) -> torch.Tensor:
    observations = torch.zeros(n, SIZE)
    observations[:, :4] = torch.tensor([0.3, -1.0, 0.5, 2.0])
    observations[:, 4 + BOOK_FIELDS.index("side")] = side
    observations[:, 4 + BOOK_FIELDS.index("halted")] = halted
    return observations


def test_each_head_is_a_distribution_and_the_missing_fourth_position_is_impossible() -> None:
    logits = torch.randn(50, 15)
    probabilities = head_log_probs(logits).exp()
    assert torch.allclose(probabilities.sum(dim=2), torch.ones(50, 4))
    assert probabilities[:, 0, 3].abs().max() == 0.0
    assert torch.allclose(probabilities[:, 0, :3], logits[:, :3].softmax(dim=1))
    assert torch.allclose(probabilities[:, 3], logits[:, 11:].softmax(dim=1))


@pytest.mark.parametrize(
    ("side", "halted", "position", "position_counts", "rest_counts"),
    [
        (0.0, 0.0, 1, True, True),  # opens
        (1.0, 0.0, 2, True, True),  # turns
        (-1.0, 0.0, 1, True, True),
        (1.0, 0.0, 1, True, False),  # keeps
        (-1.0, 0.0, 2, True, False),
        (1.0, 0.0, 0, True, False),  # leaves
        (0.0, 0.0, 0, True, False),
        (0.0, 1.0, 1, False, False),  # halted: nothing is read
    ],
)
def test_only_choices_that_have_an_effect_count(
    side: float, halted: float, position: int, position_counts: bool, rest_counts: bool
) -> None:
    policy, shown = a_policy(), rows(side, halted)
    action = torch.tensor([[position, 2, 0, 3]])
    with torch.no_grad():
        _, found, _ = policy.evaluate_actions(shown, action)
        latent = policy.mlp_extractor.forward_actor(shown)
        heads = head_log_probs(policy.action_net(latent))[0]
    expected = heads[0, position] * position_counts + (heads[1, 2] + heads[2, 0] + heads[3, 3]) * rest_counts
    assert found.item() == pytest.approx(float(expected), abs=1e-5)


def test_samples_follow_the_probabilities() -> None:
    policy, shown = a_policy(), rows(n=40_000)
    with torch.no_grad():
        actions, _, log_prob = policy(shown)
        probabilities = head_log_probs(policy.action_net(policy.mlp_extractor.forward_actor(shown[:1]))).exp()[0]
        _, evaluated, _ = policy.evaluate_actions(shown, actions)
    for head, choices in enumerate(ACTION_NVEC):
        counts = torch.bincount(actions[:, head], minlength=choices) / len(actions)
        assert torch.allclose(counts, probabilities[head, :choices], atol=0.012)
    assert torch.equal(log_prob, evaluated)
