"""SAC on the continuous twin of the actions, and its policy as a network of choices."""

import math
from collections.abc import Mapping
from itertools import accumulate

import torch
from stable_baselines3 import SAC
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor, nn

from agv2.decision.actions import ACTION_NVEC, CONTINUOUS_ORDER
from agv2.rl.config import PolicyConfig
from agv2.rl.input_scaling import FixedScaling, InputScaling
from agv2.rl.vec_env import TradingVecEnv

__all__ = ["TradingReplayBuffer", "choices_state", "new_sac"]


class TradingReplayBuffer(ReplayBuffer):
    """A replay buffer that draws with torch's generator alone.

    Stable-Baselines3's own draws with numpy's global generator, which an exact resume would have to reach into.
    """

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> ReplayBufferSamples:
        """`batch_size` steps, each of any book and any time that is kept."""
        rows = torch.randint(self.size(), (batch_size,)).numpy()
        books = torch.randint(self.n_envs, (batch_size,)).numpy()
        ended = self.dones[rows, books] * (1.0 - self.timeouts[rows, books])  # out of data is no end
        return ReplayBufferSamples(
            torch.from_numpy(self.observations[rows, books]),
            torch.from_numpy(self.actions[rows, books]),
            torch.from_numpy(self.next_observations[rows, books]),
            torch.from_numpy(ended[:, None]),
            torch.from_numpy(self.rewards[rows, books, None]),
        )


def new_sac(env: TradingVecEnv, config: PolicyConfig, scaling: InputScaling, seed: int) -> SAC:
    """A new learner on `env`, whose actions are continuous.

    Args:
        env: to learn on.
        config: of the policy.
        scaling: of what it reads.
        seed: of the random actions at the start; all else draws with torch's generator.
    """
    own = config.sac
    env.action_space.seed(seed)
    return SAC(
        "MlpPolicy",
        env,
        learning_rate=own.learning_rate,
        buffer_size=own.buffer_size,
        learning_starts=own.learning_starts,
        batch_size=own.batch_size,
        tau=own.tau,
        gamma=config.gamma,
        train_freq=own.train_freq,
        gradient_steps=own.gradient_steps,
        ent_coef=own.ent_coef,
        replay_buffer_class=TradingReplayBuffer,
        policy_kwargs={
            "net_arch": list(config.net_arch),
            "activation_fn": nn.Tanh,  # as in the network that ships
            "features_extractor_class": FixedScaling,
            "features_extractor_kwargs": scaling._asdict(),
            "optimizer_class": torch.optim.AdamW,
            "optimizer_kwargs": {"weight_decay": own.weight_decay},
        },
        device="cpu",
    )


def choices_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a `PolicyNetwork` whose likeliest choices are those that SAC's mean action snaps to.

    A choice that is one of n parts of a range, in order, is the largest of n numbers that are linear in the mean before
    its tanh: the k-th is k times the mean less the sum of the first k edges. So the policy ships as any other. Its
    logits say what is chosen and next best, not how probable that is; its value is 0, for SAC has none without action.

    Args:
        state: `state_dict()` of SAC's policy.
    """
    own: dict[str, Tensor] = {}
    for name, weights in state.items():
        if name.startswith("actor.latent_pi."):
            own[name.replace("actor.latent_pi.", "mlp_extractor.policy_net.")] = weights.detach().clone()
    first = own["mlp_extractor.policy_net.0.weight"]
    slopes, offsets = _ordered_choices()
    own["action_net.weight"] = slopes @ state["actor.mu.weight"].detach()
    own["action_net.bias"] = slopes @ state["actor.mu.bias"].detach() + offsets
    own["mlp_extractor.value_net.0.weight"] = first.new_zeros(1, first.shape[1])
    own["mlp_extractor.value_net.0.bias"] = first.new_zeros(1)
    own["value_net.weight"], own["value_net.bias"] = first.new_zeros(1, 1), first.new_zeros(1)
    return own


def _ordered_choices() -> tuple[Tensor, Tensor]:
    """(15, 4) slopes and (15,) offsets of the choices' logits in the four means before their tanh."""
    slopes, offsets = torch.zeros(sum(ACTION_NVEC), len(ACTION_NVEC)), torch.zeros(sum(ACTION_NVEC))
    start = 0
    for dimension, (n, order) in enumerate(zip(ACTION_NVEC, CONTINUOUS_ORDER, strict=True)):
        edges = [math.atanh(2.0 * part / n - 1.0) for part in range(1, n)]
        for part, below in enumerate(accumulate(edges, initial=0.0)):
            slopes[start + order[part], dimension] = part
            offsets[start + order[part]] = -below
        start += n
    return slopes, offsets
