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


def rows(side: float = 0.0, permitted: tuple[int, ...] = (0, 1, 2), n: int = 1) -> torch.Tensor:
    observations = torch.zeros(n, SIZE)
    observations[:, :4] = torch.tensor([0.3, -1.0, 0.5, 2.0])
    observations[:, 4 + BOOK_FIELDS.index("side")] = side
    for position in permitted:
        observations[:, SIZE - 3 + position] = 1.0
    return observations


def heads_of(policy: TradingActorCritic, shown: torch.Tensor) -> torch.Tensor:
    """Log-probabilities before any mask."""
    with torch.no_grad():
        return head_log_probs(policy.action_net(policy.mlp_extractor.forward_actor(shown[:, :-3])))


def test_each_head_is_a_distribution_and_the_missing_fourth_position_is_impossible() -> None:
    logits = torch.randn(50, 15)
    probabilities = head_log_probs(logits).exp()
    assert torch.allclose(probabilities.sum(dim=2), torch.ones(50, 4))
    assert probabilities[:, 0, 3].abs().max() == 0.0
    assert torch.allclose(probabilities[:, 0, :3], logits[:, :3].softmax(dim=1))
    assert torch.allclose(probabilities[:, 3], logits[:, 11:].softmax(dim=1))


@pytest.mark.parametrize(
    ("side", "position", "rest_counts"),
    [
        (0.0, 1, True),  # opens
        (1.0, 2, True),  # turns
        (-1.0, 1, True),
        (1.0, 1, False),  # keeps
        (-1.0, 2, False),
        (1.0, 0, False),  # leaves
        (0.0, 0, False),
    ],
)
def test_only_choices_that_have_an_effect_count(side: float, position: int, rest_counts: bool) -> None:
    policy, shown = a_policy(), rows(side)
    action = torch.tensor([[position, 2, 0, 3]])
    with torch.no_grad():
        _, found, _ = policy.evaluate_actions(shown, action)
    heads = heads_of(policy, shown)[0]
    expected = heads[0, position] + (heads[1, 2] + heads[2, 0] + heads[3, 3]) * rest_counts
    assert found.item() == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("side", [0.0, 1.0])
@pytest.mark.parametrize("permitted", [(0,), (1,), (0, 1), (0, 2)])
def test_what_is_refused_is_never_chosen_and_the_rest_share_its_probability(
    side: float, permitted: tuple[int, ...]
) -> None:
    policy, shown = a_policy(), rows(side, permitted, n=4_000)
    with torch.no_grad():
        actions, _, log_prob = policy(shown)
        _, evaluated, entropy = policy.evaluate_actions(shown, actions)
        likeliest = policy(shown[:1], deterministic=True)[0][0, 0]
        by_sb3 = policy.predict(shown[:50].numpy(), deterministic=False)[0][:, 0]
    assert set(actions[:, 0].tolist()) == set(by_sb3.tolist()) == set(permitted)
    assert likeliest.item() in permitted
    free = heads_of(policy, shown[:1])[0]
    chances = free[0, list(permitted)].exp() / free[0, list(permitted)].exp().sum()
    for position, chance in zip(permitted, chances, strict=True):
        assert (actions[:, 0] == position).float().mean() == pytest.approx(float(chance), abs=0.03)
    assert torch.equal(log_prob, evaluated)
    assert torch.isfinite(entropy).all()
    if permitted == (0,):
        assert log_prob.abs().max() == 0.0, "where nothing can be chosen, nothing is learnt from the choice"


def test_permissions_change_what_is_chosen_and_nothing_that_the_network_reads() -> None:
    policy = a_policy()
    with torch.no_grad():
        free, forced = (policy.predict_values(rows(0.0, permitted)) for permitted in ((0, 1, 2), (0,)))
    assert torch.equal(free, forced)


def test_samples_follow_the_probabilities() -> None:
    policy, shown = a_policy(), rows(n=40_000)
    with torch.no_grad():
        actions, _, log_prob = policy(shown)
        probabilities = heads_of(policy, shown[:1]).exp()[0]
        _, evaluated, _ = policy.evaluate_actions(shown, actions)
    for head, choices in enumerate(ACTION_NVEC):
        counts = torch.bincount(actions[:, head], minlength=choices) / len(actions)
        assert torch.allclose(counts, probabilities[head, :choices], atol=0.012)
    assert torch.equal(log_prob, evaluated)
