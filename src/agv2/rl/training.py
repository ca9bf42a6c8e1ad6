"""PPO or SAC on the batch simulator, from tapes to a trained policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback, CallbackList

from agv2.backtest.tape import MarketTape
from agv2.models.policy import PolicyNetwork
from agv2.models.threads import torch_threads
from agv2.rl.action_spaces import ActionKind
from agv2.rl.callbacks import EvaluationCallback, Progress, ProgressCallback, ValidationPoint
from agv2.rl.checkpoint import CheckpointCallback, restore_checkpoint, training_digest
from agv2.rl.config import PolicyConfig
from agv2.rl.episodes import Span
from agv2.rl.policy_adapter import TorchPolicy, policy_network
from agv2.rl.ppo_learner import new_ppo
from agv2.rl.sac_learner import new_sac
from agv2.rl.validation import SpanScore, score_policy
from agv2.rl.vec_env import TradingVecEnv
from agv2.utils.seeding import spawn_generators, spawn_seed

__all__ = ["CHECKPOINT", "TrainedPolicy", "train_policy"]

CHECKPOINT = "policy_training.pt"
"""Name of the checkpoint inside `checkpoint_dir`; it may be deleted when training is over."""


@dataclass(frozen=True, slots=True)
class TrainedPolicy:
    """What training leaves behind."""

    model: PPO | SAC
    """Holds the weights that did best on the validation block."""
    validation: tuple[ValidationPoint, ...]
    """Every look at the validation block; empty when there was none."""
    best: ValidationPoint | None
    """The look whose weights were kept; None means the last weights."""
    curve: tuple[Mapping[str, float], ...]
    """What `Progress` was told, with its `step`."""

    @property
    def network(self) -> PolicyNetwork:
        """A copy of the policy without Stable-Baselines3."""
        return policy_network(self.model)


def train_policy(
    tapes: Sequence[MarketTape],
    train_spans: Sequence[Span],
    validation_spans: Sequence[Span],
    config: PolicyConfig,
    total_steps: int,
    seed: int,
    initial_equity: float,
    progress: Progress | None = None,
    checkpoint_dir: Path | None = None,
) -> TrainedPolicy:
    """Train for at least `total_steps` environment steps, to the end of the rollout in which they fall.

    It takes fewer where the validation block has not improved for `config.patience` looks. The same arguments give the
    same weights on one machine. One torch thread is used, whatever the process has.

    Args:
        tapes: the markets.
        train_spans: bars to train on.
        validation_spans: later bars that the policy is scored on, purged from training; may be empty.
        config: everything about the algorithm, reward and cost ranges.
        total_steps: environment steps, all books counted, >= 1.
        seed: of this training.
        initial_equity: money in each account.
        progress: called after every rollout of PPO, and as often in a training by SAC.
        checkpoint_dir: where to keep a checkpoint that a later call with the same arguments resumes from.

    Returns:
        The model with its best weights, and how it got there.

    Raises:
        DataError: a span cannot be traded on, or the checkpoint was damaged or belongs to another training.
    """
    is_ppo = config.algorithm == "ppo"
    per_rollout = config.n_books * (config.n_steps if is_ppo else config.sac.train_freq)
    total_steps = -(-total_steps // per_rollout) * per_rollout
    with torch_threads(1), torch.random.fork_rng(devices=[]):
        torch.manual_seed(spawn_seed(seed, "policy"))
        generator = spawn_generators(seed, "episodes")["episodes"]
        kind: ActionKind = "discrete" if is_ppo else "continuous"
        env = TradingVecEnv(tapes, train_spans, config, initial_equity, generator, kind)
        model = new_ppo(env, config) if is_ppo else new_sac(env, config, spawn_seed(seed, "first actions"))
        telling = ProgressCallback(total_steps, min(config.n_books * config.n_steps, total_steps), progress)
        callbacks: list[BaseCallback] = [telling]
        looking: EvaluationCallback | None = None
        if validation_spans:

            def score(network: PolicyNetwork) -> SpanScore:
                return score_policy(tapes, validation_spans, TorchPolicy(network), initial_equity)

            looking = EvaluationCallback(score, total_steps, config.n_evaluations, config.patience)
            callbacks.append(looking)
        if checkpoint_dir is not None:
            path = checkpoint_dir / CHECKPOINT
            digest = training_digest(tapes, (train_spans, validation_spans), config, total_steps, seed, initial_equity)
            if path.exists():
                restore_checkpoint(path, digest, model, env, telling, looking)
            callbacks.append(CheckpointCallback(path, digest, total_steps, telling, looking))
        model.learn(
            total_steps - model.num_timesteps,
            CallbackList(callbacks),
            log_interval=None,  # type: ignore[arg-type]  # None: SB3 prints nothing and keeps the latest figures
            reset_num_timesteps=model.num_timesteps == 0,
        )
        if looking is None:
            return TrainedPolicy(model, (), None, tuple(telling.curve))
        assert looking.best_state is not None
        model.policy.load_state_dict(looking.best_state)
        return TrainedPolicy(model, tuple(looking.points), looking.best, tuple(telling.curve))
