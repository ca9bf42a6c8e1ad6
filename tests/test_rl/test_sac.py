import numpy as np
import pytest
import torch
from stable_baselines3 import SAC

from agv2.decision.actions import ACTION_NVEC, snap_actions
from agv2.decision.observation import BOOK_FIELDS
from agv2.rl.episodes import Span
from agv2.rl.input_scaling import input_scaling
from agv2.rl.policy_adapter import TorchPolicy, ensemble_network, policy_network
from agv2.rl.sac_learner import TradingReplayBuffer, new_sac
from agv2.rl.vec_env import TradingVecEnv
from tests.rl_settings import small_config
from tests.tapes import a_tape, walk

SIZE = 6 + len(BOOK_FIELDS)
ROWS = np.random.default_rng(0).normal(size=(3_000, SIZE)).astype(np.float32)
ROWS[:, -3:] = 1.0  # every position is permitted


def a_model(seed: int = 0) -> SAC:
    config = small_config(net_arch=(16, 16))
    env = TradingVecEnv([a_tape(walk(100))], [Span(0, 0, 99)], config, 1e5, np.random.default_rng(0), "continuous")
    torch.manual_seed(seed)
    model = new_sac(env, config, input_scaling([a_tape(walk(100))], [Span(0, 0, 99)]), seed)
    with torch.no_grad():
        model.policy.actor.mu.weight.mul_(4.0)  # type: ignore[operator]  # a new policy does one thing
    return model


def test_the_network_that_ships_chooses_what_the_mean_action_snaps_to() -> None:
    model = a_model()
    theirs = snap_actions(np.asarray(model.predict(ROWS, deterministic=True)[0], dtype=np.float64))
    ours = TorchPolicy(policy_network(model)).act(ROWS)
    assert (ours.actions == theirs).all()
    for column, n in enumerate(ACTION_NVEC):
        assert set(ours.actions[:, column].tolist()) == set(range(n)), "every choice is made somewhere"
    assert (ours.values == 0.0).all()


def test_an_ensemble_of_sac_votes_by_the_mean_of_what_its_members_want() -> None:
    models = [a_model(seed) for seed in range(3)]
    with torch.no_grad():
        means = [model.policy.actor.get_action_dist_params(torch.from_numpy(ROWS))[0] for model in models]
    wanted = snap_actions(torch.tanh(torch.stack(means).mean(0)).double().numpy())
    ours = TorchPolicy(ensemble_network([policy_network(model) for model in models])).act(ROWS)
    assert (ours.actions == wanted).mean() > 0.999  # sums of floats in another order


def test_what_is_refused_is_replaced_by_what_the_planner_would_make_of_it() -> None:
    """Held and not to be turned: a wish to turn is a wish to leave; not to be left: everything is a wish to keep."""
    network = policy_network(a_model())
    rows = ROWS.copy()
    free = TorchPolicy(network).act(rows).actions[:, 0]
    rows[:, -3:] = (1.0, 1.0, 0.0)
    turned = TorchPolicy(network).act(rows).actions[:, 0]
    assert (turned == np.where(free == 2, 0, free)).all()
    rows[:, -3:] = (0.0, 1.0, 0.0)
    assert (TorchPolicy(network).act(rows).actions[:, 0] == 1).all()


def test_steps_are_drawn_by_torch_alone_and_the_end_of_data_is_no_end() -> None:
    model = a_model()
    buffer = model.replay_buffer
    assert isinstance(buffer, TradingReplayBuffer)
    shown, ends = np.zeros((16, SIZE), dtype=np.float32), np.ones(16)
    for step in range(5):
        truncated = [{"TimeLimit.truncated": book < 8} for book in range(16)]
        buffer.add(shown + step, shown + step + 1, np.zeros((16, 4)), np.arange(16.0), ends, truncated)
    torch.manual_seed(1)
    first = buffer.sample(400)
    np.random.default_rng(0)
    torch.manual_seed(1)
    again = buffer.sample(400)
    assert torch.equal(first.observations, again.observations)
    assert set(first.observations[:, 0].tolist()) == {0.0, 1.0, 2.0, 3.0, 4.0}
    assert torch.equal(first.next_observations, first.observations + 1.0)
    assert torch.equal(first.dones[:, 0], (first.rewards[:, 0] >= 8.0).float())


@pytest.mark.parametrize("seed", [0, 1])
def test_the_first_random_actions_come_from_the_seed(seed: int) -> None:
    drawn = [np.stack([a_model(seed).action_space.sample() for _ in range(4)]) for _ in range(2)]
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] != a_model(seed + 1).action_space.sample()).any()
