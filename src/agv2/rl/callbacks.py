"""What happens between updates: looking at the validation block, and telling how training goes."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from agv2.models.policy import PolicyNetwork
from agv2.rl.policy_adapter import policy_network
from agv2.rl.validation import SpanScore
from agv2.rl.vec_env import TradingVecEnv

__all__ = ["EvaluationCallback", "Progress", "ProgressCallback", "ValidationPoint"]

_LEARNT = {
    # of PPO
    "entropy": ("train/entropy_loss", -1.0),
    "value_loss": ("train/value_loss", 1.0),
    "approx_kl": ("train/approx_kl", 1.0),
    "explained_variance": ("train/explained_variance", 1.0),
    # of SAC
    "actor_loss": ("train/actor_loss", 1.0),
    "critic_loss": ("train/critic_loss", 1.0),
    "entropy_coefficient": ("train/ent_coef", 1.0),
}
"""Name in the curve → name and sign in Stable-Baselines3's log."""


class Progress(Protocol):
    """Whoever shows how training goes."""

    def __call__(self, step: int, total: int, stats: Mapping[str, float]) -> None:
        """Called after every rollout of PPO, and as often in a training by SAC.

        Args:
            step: environment steps so far.
            total: of the whole training.
            stats: `reward` and its terms (`reward/log_equity`, ...), means per step before scaling; `drawdown`, the
                books' mean of their episodes' worst; and what the algorithm says of its updates: `entropy` and losses.
        """
        ...


class ValidationPoint(NamedTuple):
    """A look at the validation block after `step` environment steps."""

    step: int
    score: SpanScore


class EvaluationCallback(BaseCallback):
    """Scores the deterministic policy before training and at a few evenly spaced steps, and remembers the best weights.

    The block it looks at belongs to training's past and is purged from it; a test bar never comes near it. After
    `patience` looks in a row without a better one, training ends.
    """

    def __init__(
        self, score: Callable[[PolicyNetwork], SpanScore], total_steps: int, n_evaluations: int, patience: int = 0
    ) -> None:
        """Look `n_evaluations` times after the first, the last time at `total_steps`; `patience` 0 never gives up."""
        super().__init__()
        self.points: list[ValidationPoint] = []
        self.best_state: dict[str, Tensor] | None = None
        """Of the learner's policy, everything that it holds."""
        self._score = score
        self._total_steps = total_steps
        self._n_evaluations = n_evaluations
        self._patience = patience

    @property
    def best(self) -> ValidationPoint:
        """The point with the highest Sharpe ratio; the earliest of equals."""
        return max(self.points, key=lambda point: point.score.sharpe_per_bar)

    @property
    def gave_up(self) -> bool:
        """Whether the last `patience` looks were no better than the best before them."""
        if self._patience == 0 or not self.points:
            return False
        return len(self.points) - 1 - self.points.index(self.best) >= self._patience

    def _on_training_start(self) -> None:
        if not self.points:
            self._look()

    def _on_rollout_start(self) -> None:
        due = self._total_steps * len(self.points) / self._n_evaluations
        if due <= self.num_timesteps < self._total_steps and not self.gave_up:
            self._look()

    def _on_training_end(self) -> None:
        if not self.gave_up:
            self._look()

    def _on_step(self) -> bool:
        return not self.gave_up

    def _look(self) -> None:
        network = policy_network(self.model)  # type: ignore[arg-type]  # PPO or SAC here
        self.points.append(ValidationPoint(self.num_timesteps, self._score(network)))
        if self.best is self.points[-1]:
            state = self.model.policy.state_dict()
            self.best_state = {name: tensor.detach().clone() for name, tensor in state.items()}


class ProgressCallback(BaseCallback):
    """Collects the learning curve, one point a rollout of PPO, and passes each on."""

    def __init__(self, total_steps: int, every: int, progress: Progress | None) -> None:
        """Report every `every` steps to `progress`, if anyone listens."""
        super().__init__()
        self.curve: list[dict[str, float]] = []
        self._total_steps = total_steps
        self._every = every
        self._progress = progress

    def _on_rollout_start(self) -> None:
        self._report()

    def _on_training_end(self) -> None:
        self._report()

    def _on_step(self) -> bool:
        return True

    def _report(self) -> None:
        env = self.training_env
        assert isinstance(env, TradingVecEnv)
        before = self.curve[-1]["step"] if self.curve else 0.0
        if self.num_timesteps - before < self._every:
            return
        learnt, terms = self.logger.name_to_value, env.take_terms()
        stats = {
            "reward": terms.pop("total"),
            **{f"reward/{name}": value for name, value in terms.items()},
            "drawdown": float(np.mean(env.simulator.ledger["worst_drawdown_after"])),
            **{name: sign * float(learnt[key]) for name, (key, sign) in _LEARNT.items() if key in learnt},
        }
        self.curve.append({"step": float(self.num_timesteps), **stats})
        if self._progress is not None:
            self._progress(min(self.num_timesteps, self._total_steps), self._total_steps, stats)
