"""PPO or SAC on the batch simulator, from tapes to a trained policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback, CallbackList

from agv2.backtest.tape import MarketTape
from agv2.core.errors import ShapeError
from agv2.models.policy import PolicyNetwork
from agv2.models.threads import torch_threads
from agv2.rl.action_spaces import ActionKind
from agv2.rl.callbacks import EvaluationCallback, Progress, ProgressCallback, ValidationPoint
from agv2.rl.checkpoint import CheckpointCallback, restore_checkpoint, training_digest
from agv2.rl.config import PolicyConfig
from agv2.rl.episodes import Span
from agv2.rl.expected_path import RowColumns
from agv2.rl.first_lessons import FirstLessons, first_lessons, load_lessons
from agv2.rl.input_scaling import input_scaling
from agv2.rl.policy_adapter import TorchPolicy, policy_network
from agv2.rl.ppo_learner import new_ppo
from agv2.rl.sac_learner import new_sac
from agv2.rl.side_evidence import SideEvidence
from agv2.rl.validation import SpanScore, score_policy
from agv2.rl.vec_env import TradingVecEnv
from agv2.rl.warm_start import load_start, start_numbers
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
    evidence: SideEvidence | None
    """What cross-validation said before; None without `config.hindsight`."""
    abstains: bool
    """Whether that was too little, so that the policy stays flat and was not trained further."""

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
    *,
    columns: RowColumns | None = None,
    purged_bars: int = 0,
    start: PolicyNetwork | None = None,
) -> TrainedPolicy:
    """Learn which side to hold in hindsight, then train everything for at least `total_steps` environment steps.

    Where the first does not pay on training bars left out, the policy abstains: it is flat, and not trained further.
    Training ends with the rollout in which its last step falls.

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
        columns: of the market rows; an embedding is read if `config.read_embedding`. None: each is a forecast.
        purged_bars: left out around the blocks of cross-validation, because labels reach so far.
        start: a policy for observations as they come, as wide as `config` says, that PPO goes on from without first
            lessons; None: a new one.

    Returns:
        The model with its best weights, and how it got there.

    Raises:
        ShapeError: `start` is of other widths, or not for PPO.
        DataError: a span cannot be traded on, or the checkpoint was damaged or belongs to another training.
    """
    columns = columns or RowColumns()
    is_ppo = config.algorithm == "ppo"
    if start is not None and not is_ppo:
        raise ShapeError("only PPO goes on from a policy of choices")
    per_rollout = config.n_books * (config.n_steps if is_ppo else config.sac.train_freq)
    total_steps = -(-total_steps // per_rollout) * per_rollout
    with torch_threads(1), torch.random.fork_rng(devices=[]):
        torch.manual_seed(spawn_seed(seed, "policy"))
        generator = spawn_generators(seed, "episodes")["episodes"]
        kind: ActionKind = "discrete" if is_ppo else "continuous"
        env = TradingVecEnv(tapes, train_spans, config, initial_equity, generator, kind)
        path = None if checkpoint_dir is None else checkpoint_dir / CHECKPOINT
        scaling = input_scaling(tapes, train_spans, 0 if config.read_embedding else columns.embedding)
        model: PPO | SAC
        first: FirstLessons | None = None
        if not is_ppo:
            model = new_sac(env, config, scaling, spawn_seed(seed, "first actions"))
        else:
            model = new_ppo(env, config, scaling)
            if start is not None:
                load_start(model, start, scaling)
            elif config.hindsight is not None and not (path is not None and path.exists()):
                first = first_lessons(
                    tapes, train_spans, scaling, columns, config.hindsight, config.net_arch, purged_bars, seed
                )
                load_lessons(model, first)
        telling = ProgressCallback(total_steps, min(config.n_books * config.n_steps, total_steps), progress)
        callbacks: list[BaseCallback] = [telling]
        looking: EvaluationCallback | None = None

        def score(network: PolicyNetwork) -> SpanScore:
            return score_policy(tapes, validation_spans, TorchPolicy(network), initial_equity)

        if validation_spans:
            looking = EvaluationCallback(score, total_steps, config.n_evaluations, config.patience)
            callbacks.append(looking)
        evidence = None if first is None else first.evidence
        if path is not None:
            numbers = (total_steps, seed, initial_equity, *columns, purged_bars)
            digest = training_digest(tapes, (train_spans, validation_spans), config, *numbers, *start_numbers(start))
            if path.exists():
                evidence = restore_checkpoint(path, digest, model, env, telling, looking)
            callbacks.append(CheckpointCallback(path, digest, total_steps, telling, looking, evidence))
        if first is not None and first.abstains:
            point = ValidationPoint(0, score(policy_network(model))) if validation_spans else None
            return TrainedPolicy(model, (point,) if point else (), point, (), evidence, abstains=True)
        model.learn(
            total_steps - model.num_timesteps,
            CallbackList(callbacks),
            log_interval=None,  # type: ignore[arg-type]  # None: SB3 prints nothing and keeps the latest figures
            reset_num_timesteps=model.num_timesteps == 0,
        )
        if looking is None:
            return TrainedPolicy(model, (), None, tuple(telling.curve), evidence, abstains=False)
        assert looking.best_state is not None
        model.policy.load_state_dict(looking.best_state)
        points, curve = tuple(looking.points), tuple(telling.curve)
        return TrainedPolicy(model, points, looking.best, curve, evidence, abstains=False)
