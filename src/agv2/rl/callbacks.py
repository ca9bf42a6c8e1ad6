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


class Progress(Protocol):
    """Whoever shows how training goes."""

    def __call__(self, step: int, total: int, stats: Mapping[str, float]) -> None:
        """Called after every update.

        Args:
            step: environment steps so far.
            total: of the whole training.
            stats: `reward` and its terms (`reward/log_equity`, ...), means per step before scaling; `drawdown`, the
                books' mean of their episodes' worst; `entropy`; and the losses.
        """
        ...


class ValidationPoint(NamedTuple):
    """A look at the validation block after `step` environment steps."""

    step: int
    score: SpanScore


class EvaluationCallback(BaseCallback):
    """Scores the deterministic policy before training and at a few evenly spaced steps, and remembers the best weights.

    The block it looks at belongs to training's past and is purged from it; a test bar never comes near it.
    """

    def __init__(self, score: Callable[[PolicyNetwork], SpanScore], total_steps: int, n_evaluations: int) -> None:
        """Look `n_evaluations` times within `total_steps` after the first look, the last time at the end."""
        super().__init__()
        self.points: list[ValidationPoint] = []
        self.best_state: dict[str, Tensor] | None = None
        self._score = score
        self._total_steps = total_steps
        self._n_evaluations = n_evaluations

    def look(self) -> None:
        """Score the present weights."""
        network = policy_network(self.model)  # type: ignore[arg-type]  # always PPO here
        self.points.append(ValidationPoint(self.num_timesteps, self._score(network)))
        if self.best is self.points[-1]:
            self.best_state = {name: tensor.clone() for name, tensor in self.model.policy.state_dict().items()}

    @property
    def best(self) -> ValidationPoint:
        """The point with the highest Sharpe ratio; the earliest of equals."""
        return max(self.points, key=lambda point: point.score.sharpe_per_bar)

    def _on_training_start(self) -> None:
        if not self.points:
            self.look()

    def _on_rollout_start(self) -> None:
        due = self._total_steps * len(self.points) / self._n_evaluations
        if due <= self.num_timesteps < self._total_steps:
            self.look()

    def _on_training_end(self) -> None:
        self.look()

    def _on_step(self) -> bool:
        return True


class ProgressCallback(BaseCallback):
    """Collects the learning curve, one point an update, and passes each on."""

    def __init__(self, total_steps: int, progress: Progress | None) -> None:
        """Report to `progress`, if anyone listens."""
        super().__init__()
        self.curve: list[dict[str, float]] = []
        self._total_steps = total_steps
        self._progress = progress

    def _on_rollout_start(self) -> None:
        if "train/entropy_loss" in self.logger.name_to_value:  # an update has happened
            self._report()

    def _on_training_end(self) -> None:
        self._report()

    def _on_step(self) -> bool:
        return True

    def _report(self) -> None:
        env = self.training_env
        assert isinstance(env, TradingVecEnv)
        if self.curve and self.curve[-1]["step"] == self.num_timesteps:
            return
        learnt, terms = self.logger.name_to_value, env.take_terms()
        stats = {
            "reward": terms.pop("total"),
            **{f"reward/{name}": value for name, value in terms.items()},
            "drawdown": float(np.mean(env.simulator.ledger["worst_drawdown_after"])),
            "entropy": -float(learnt["train/entropy_loss"]),
            "value_loss": float(learnt["train/value_loss"]),
            "approx_kl": float(learnt["train/approx_kl"]),
            "explained_variance": float(learnt["train/explained_variance"]),
        }
        self.curve.append({"step": float(self.num_timesteps), **stats})
        if self._progress is not None:
            self._progress(min(self.num_timesteps, self._total_steps), self._total_steps, stats)
