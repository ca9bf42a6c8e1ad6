import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3.common.distributions import MultiCategoricalDistribution
from stable_baselines3.common.policies import ActorCriticPolicy

from agv2.core.errors import ShapeError
from agv2.models.policy import PolicyNetwork

N_OBSERVATIONS = 20


def _mlp_policy(net_arch: list[int] | dict[str, list[int]]) -> ActorCriticPolicy:
    torch.manual_seed(0)
    policy = ActorCriticPolicy(
        gymnasium.spaces.Box(-np.inf, np.inf, (N_OBSERVATIONS,), np.float32),
        gymnasium.spaces.MultiDiscrete([3, 4, 4, 4]),
        lambda _: 1e-3,
        net_arch=net_arch,
    )
    with torch.no_grad():
        for weight in policy.parameters():
            weight.normal_(0.0, 0.3)
    return policy


@pytest.mark.parametrize("net_arch", [[64, 64], {"pi": [32], "vf": [48, 16, 8]}])
def test_it_answers_as_the_policy_whose_weights_it_copied(net_arch: list[int] | dict[str, list[int]]) -> None:
    theirs = _mlp_policy(net_arch)
    ours = PolicyNetwork.from_state(theirs.state_dict())
    observation = torch.randn(50, N_OBSERVATIONS)
    with torch.inference_mode():
        logits, value = ours(torch.cat([observation, torch.ones(50, 3)], dim=1))  # every position is permitted
        distribution = theirs.get_distribution(observation)
        assert isinstance(distribution, MultiCategoricalDistribution)
        expected = torch.cat([one.logits for one in distribution.distribution], dim=-1)
        for block in logits.split([3, 4, 4, 4], dim=-1):  # theirs are normalised within each dimension
            block.sub_(block.logsumexp(-1, keepdim=True))
        torch.testing.assert_close(logits, expected)
        torch.testing.assert_close(value, theirs.predict_values(observation)[:, 0])
    assert logits.shape == (50, 15)


def test_a_refused_position_is_never_the_likeliest_and_nothing_else_moves() -> None:
    network = PolicyNetwork.from_state(_mlp_policy([8]).state_dict())
    assert network.n_observations == N_OBSERVATIONS + 3
    seen = 3.0 * torch.randn(400, N_OBSERVATIONS)
    with torch.inference_mode():
        free = network(torch.cat([seen, torch.ones(400, 3)], dim=1))
        for refused in range(3):
            permitted = torch.ones(400, 3)
            permitted[:, refused] = 0.0
            found = network(torch.cat([seen, permitted], dim=1))
            others = [column for column in range(15) if column != refused]
            assert torch.equal(found.logits[:, others], free.logits[:, others])
            assert torch.equal(found.value, free.value)
            assert (found.logits[:, :3].argmax(dim=1) != refused).all()
            assert (free.logits[:, :3].argmax(dim=1) == refused).any(), "it would have been chosen"


def test_weights_are_copied_and_not_shared() -> None:
    theirs = _mlp_policy([8])
    ours = PolicyNetwork.from_state(theirs.state_dict())
    before = ours.action_net.weight.clone()
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.zero_()
    assert torch.equal(ours.action_net.weight, before)


def test_another_kind_of_policy_is_refused() -> None:
    state = _mlp_policy([8]).state_dict()
    with pytest.raises(ShapeError, match="MlpPolicy"):
        PolicyNetwork.from_state({**state, "log_std": torch.zeros(4)})
    del state["action_net.weight"]
    with pytest.raises(ShapeError, match="MlpPolicy"):
        PolicyNetwork.from_state(state)
