"""What a learner of Stable-Baselines3 holds in the middle of a training, as values, and back."""

import json
from typing import Any

import torch
from stable_baselines3 import PPO, SAC

from agv2.rl.sac_learner import TradingReplayBuffer

__all__ = ["learner_state", "restore_learner"]

_REPLAYED = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def learner_state(model: PPO | SAC) -> dict[str, Any]:
    """Weights, optimisers and counters; of SAC also the steps that it learns from. Nothing of the environment."""
    state: dict[str, Any] = {"steps": model.num_timesteps, "updates": model._n_updates, **model.get_parameters()}
    if isinstance(model, SAC):
        replay = model.replay_buffer
        assert isinstance(replay, TradingReplayBuffer)
        kept = slice(0, replay.size())
        state["replay"] = {name: torch.from_numpy(getattr(replay, name)[kept]) for name in _REPLAYED}
        state["replay_place"] = [replay.pos, int(replay.full)]
        state["first_actions_chance"] = json.dumps(model.action_space.np_random.bit_generator.state)
        if model.log_ent_coef is not None:
            state["log_ent_coef"] = model.log_ent_coef.detach().clone()
    return state


def restore_learner(model: PPO | SAC, state: dict[str, Any]) -> None:
    """Put a new learner with the same settings where that of `state` was."""
    parts = list(model.get_parameters())
    model.set_parameters({part: state[part] for part in parts}, exact_match=True, device="cpu")
    model.num_timesteps, model._n_updates = state["steps"], state["updates"]
    if isinstance(model, SAC):
        replay = model.replay_buffer
        assert isinstance(replay, TradingReplayBuffer)
        for name, kept in state["replay"].items():
            getattr(replay, name)[: len(kept)] = kept.numpy()
        replay.pos, replay.full = state["replay_place"][0], bool(state["replay_place"][1])
        model.action_space.np_random.bit_generator.state = json.loads(state["first_actions_chance"])
        if model.log_ent_coef is not None:
            with torch.no_grad():
                model.log_ent_coef.copy_(state["log_ent_coef"])
