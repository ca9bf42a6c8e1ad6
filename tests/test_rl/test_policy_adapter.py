import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from agv2.backtest.replay import replay
from agv2.backtest.simulator import BatchSimulator
from agv2.core.arrays import Float32Array
from agv2.core.errors import ShapeError
from agv2.decision.decider import PolicyOutput
from agv2.decision.observation import BOOK_FIELDS
from agv2.decision.planner import PlanReason
from agv2.models.policy import PolicyNetwork
from agv2.rl.episodes import Span
from agv2.rl.policy_adapter import TorchPolicy, ensemble_network, policy_network
from agv2.rl.trading_policy import TradingActorCritic
from agv2.rl.vec_env import TradingVecEnv
from tests.rl_settings import small_config
from tests.tapes import a_tape, limits, walk

SIZE = 6 + len(BOOK_FIELDS)
ROWS = np.random.default_rng(0).normal(size=(200, SIZE)).astype(np.float32)
ROWS[:, -3:] = 1.0  # every position is permitted


def a_model(seed: int = 0) -> PPO:
    env = TradingVecEnv([a_tape(walk(100))], [Span(0, 0, 99)], small_config(), 1e5, np.random.default_rng(0))
    torch.manual_seed(seed)
    model = PPO(TradingActorCritic, env, n_steps=16, batch_size=64, policy_kwargs={"net_arch": [16, 16]}, device="cpu")
    with torch.no_grad():
        model.policy.action_net.get_parameter("weight").mul_(300.0)  # a new policy is almost indifferent
    return model


def a_network(seed: int) -> PolicyNetwork:
    return policy_network(a_model(seed))


def test_it_acts_as_the_model_does_without_randomness() -> None:
    model = a_model()
    ours = TorchPolicy(policy_network(model)).act(ROWS)
    theirs, _ = model.predict(ROWS, deterministic=True)
    assert ours.actions.dtype == np.int64
    assert (ours.actions == theirs).all()
    assert (ours.actions.max(axis=0) < [3, 4, 4, 4]).all()
    assert len(np.unique(ours.actions, axis=0)) > 20
    with torch.no_grad():
        values, _, entropy = model.policy.evaluate_actions(torch.from_numpy(ROWS), torch.from_numpy(ours.actions))
        theirs_entropy = model.policy.get_distribution(torch.from_numpy(ROWS)).entropy()
    assert entropy is not None
    assert theirs_entropy is not None
    assert ours.values == pytest.approx(values.numpy().ravel(), abs=1e-5)
    assert ours.entropy == pytest.approx(entropy.numpy(), abs=1e-5)
    assert ours.entropy == pytest.approx(theirs_entropy.numpy(), abs=1e-4), "SB3's own figure"


def test_a_row_alone_is_answered_as_among_others() -> None:
    policy = TorchPolicy(a_network(1))
    together = policy.act(ROWS)
    for i in range(20):
        alone = policy.act(ROWS[[i]])
        assert alone.actions.tolist() == [together.actions[i].tolist()]
        assert alone.entropy[0] == pytest.approx(together.entropy[i], abs=1e-5)


LIMITED = limits(daily_loss_frac=0.006, min_hold_bars=3, cooldown_bars=2)


def restless_network() -> PolicyNetwork:
    """Wants another position every few bars, whatever is permitted."""
    network = a_network(2)
    with torch.no_grad():
        network.action_net.weight.mul_(4.0)
    return network


def test_a_shipped_policy_never_wishes_what_is_refused() -> None:
    """The risk layer changes nothing of a masked policy's wishes, in the replay as in the batch simulator."""
    tape = a_tape(walk(600, sigma=0.006), params=LIMITED)
    network = restless_network()
    result = replay([tape], TorchPolicy(network), [1e5])
    reasons = {PlanReason(decision.plan.reason) for _, _, decision in result.decisions}
    assert reasons == {PlanReason.AS_WISHED, PlanReason.HOLD, PlanReason.DAILY_LOSS}
    assert all(decision.action.side == decision.plan.side for _, _, decision in result.decisions)
    halted = [decision for _, _, decision in result.decisions if decision.plan.reason == PlanReason.DAILY_LOSS]
    assert len(halted) > 5
    assert {decision.action.side for decision in halted} == {0}

    simulator, start = BatchSimulator([tape], 1, 1e5), np.zeros(1, dtype=np.int64)
    simulator.reset(start, start, start, start + tape.bars.size - 1)
    for _, _, decision in result.decisions:
        assert (simulator.observations[0] == decision.observation).all()
        simulator.step(TorchPolicy(network).act(simulator.observations).actions)


def test_without_the_mask_the_same_network_wishes_much_that_is_refused() -> None:
    network = restless_network()

    class Unmasked:
        def act(self, observations: Float32Array) -> PolicyOutput:
            free = observations.copy()
            free[:, -3:] = 1.0
            return TorchPolicy(network).act(free)

    result = replay([a_tape(walk(600, sigma=0.006), params=LIMITED)], Unmasked(), [1e5])
    refused = [decision for _, _, decision in result.decisions if decision.action.side != decision.plan.side]
    assert {PlanReason.MIN_HOLD, PlanReason.COOLDOWN, PlanReason.DAILY_LOSS} <= {each.plan.reason for each in refused}


def test_a_copy_of_the_weights_does_not_train_on() -> None:
    model = a_model()
    network = policy_network(model)
    before = network.action_net.weight.clone()
    with torch.no_grad():
        model.policy.action_net.get_parameter("weight").add_(1.0)
    assert torch.equal(network.action_net.weight, before)


def test_an_ensemble_is_one_network_whose_answer_is_the_mean() -> None:
    networks = [a_network(seed) for seed in range(3)]
    merged = ensemble_network(networks)
    with torch.no_grad():
        answers = [network(torch.from_numpy(ROWS)) for network in networks]
        found = merged(torch.from_numpy(ROWS))
    assert found.logits.numpy() == pytest.approx(np.mean([each.logits.numpy() for each in answers], axis=0), abs=1e-4)
    assert found.value.numpy() == pytest.approx(np.mean([each.value.numpy() for each in answers], axis=0), abs=1e-5)
    assert TorchPolicy(merged).act(ROWS).actions.shape == (200, 4)


def test_networks_of_different_shapes_make_no_ensemble() -> None:
    with pytest.raises(ShapeError):
        ensemble_network([])
    with pytest.raises(ShapeError):
        ensemble_network([PolicyNetwork(SIZE, 15, (8,), (8,)), PolicyNetwork(SIZE, 15, (9,), (8,))])
