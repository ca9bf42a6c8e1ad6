"""One policy of a fold: which bars train it, which choose it, and how it did on both."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from agv2.app.fold_training import Report
from agv2.app.run_plan import RunPlan
from agv2.app.training_tracking import TrackedTraining
from agv2.backtest.tape import MarketTape
from agv2.backtest.walk_forward import Fold
from agv2.core.errors import DataError
from agv2.models.policy import PolicyNetwork
from agv2.rl.callbacks import ValidationPoint
from agv2.rl.config import PolicyConfig
from agv2.rl.episodes import Span
from agv2.rl.expected_path import RowColumns
from agv2.rl.policy_adapter import TorchPolicy
from agv2.rl.training import train_policy
from agv2.rl.validation import score_policy

__all__ = ["FittedPolicy", "fit_policy", "in_pieces", "policy_spans"]

_VALIDATION_FRAC = 0.15


class FittedPolicy(NamedTuple):
    """One policy and how it came about."""

    network: PolicyNetwork
    facts: dict[str, float]
    """`steps`, `best_step`, `train_sharpe_per_bar`, `validation_sharpe_per_bar`, `abstains` (0 or 1), what
    cross-validation on the training bars said, `left_out_sharpe_per_bar` and `left_out_t`, and the size with which the
    policy begins for it, `first_size_frac`."""
    curve: tuple[Mapping[str, float], ...]
    """The learning curve: `step`, `reward` with its terms, `drawdown`, and what the algorithm says."""
    looks: tuple[ValidationPoint, ...]
    """At the validation block."""


def policy_spans(plan: RunPlan, folds: Sequence[Fold]) -> tuple[list[Span], list[Span]]:
    """Training bars of a policy, and the block at their end that chooses its weights.

    Args:
        plan: the run.
        folds: of each market.

    Raises:
        DataError: too few bars; names the file.
    """
    train, validation = [], []
    for index, fold in enumerate(folds):
        first = fold.train_lo
        split = fold.train_hi - int((fold.train_hi - first) * _VALIDATION_FRAC)
        purged = plan.settings.label_reach + plan.settings.backtest.embargo_bars
        if split - 1 - purged <= first:
            raise DataError(
                f"{plan.markets[index].path}: {split - first:,} bars to train a policy on and {purged:,} purged leave "
                "none; give more bars or a smaller embargo_bars"
            )
        train.append(Span(index, first, split - 1 - purged))
        validation.append(Span(index, split, fold.train_hi - 1))
    return train, validation


def in_pieces(train: Sequence[Span], validation: Sequence[Span]) -> list[Span]:
    """Training bars in pieces as long as the validation block, which are scored side by side."""
    length = max(span.last - span.first for span in validation)
    return [
        Span(span.tape, first, min(first + length, span.last))
        for span in train
        for first in range(span.first, span.last, length)
    ]


def fit_policy(
    plan: RunPlan,
    tapes: Sequence[MarketTape],
    folds: Sequence[Fold],
    seed: int,
    checkpoints: Path | None,
    report: Report,
    tracked: TrackedTraining | None = None,
    start: PolicyNetwork | None = None,
) -> FittedPolicy:
    """One policy, chosen on a block at the end of its training bars that it is not trained on.

    Args:
        plan: the run.
        tapes: the markets up to the end of their training bars.
        folds: of each market.
        seed: of its training.
        checkpoints: directory to resume from; None for no checkpoints.
        report: progress.
        tracked: told the learning curve, then the facts.
        start: a policy to go on from, as `train_policy` reads it; None: a new one.
    """
    train, validation = policy_spans(plan, folds)

    def on_update(step: int, total: int, stats: Mapping[str, float]) -> None:
        reward, drawdown = stats.get("reward", float("nan")), stats.get("drawdown", float("nan"))
        report(step / total, f"reward {reward:+.4f}, drawdown {drawdown:.1%}")
        if tracked is not None:
            tracked.learning([{"step": step, **stats}])

    encoder = plan.settings.encoder
    trained = train_policy(
        tapes,
        train,
        validation,
        _as_profile_says(plan),
        plan.profile.policy_steps,
        seed,
        plan.initial_equity,
        on_update,
        checkpoints,
        columns=RowColumns(encoder.embedding_dim, len(encoder.horizons), len(encoder.quantile_levels)),
        purged_bars=plan.settings.label_reach + plan.settings.backtest.embargo_bars,
        start=start,
    )
    assert trained.best is not None, "there is a validation block"
    network = trained.network
    on_train = score_policy(tapes, in_pieces(train, validation), TorchPolicy(network), plan.initial_equity)
    facts = {
        "steps": float(trained.model.num_timesteps),
        "best_step": float(trained.best.step),
        "train_sharpe_per_bar": on_train.sharpe_per_bar,
        "validation_sharpe_per_bar": trained.best.score.sharpe_per_bar,
        "abstains": float(trained.abstains),
    }
    if trained.evidence is not None:
        facts |= {
            "left_out_sharpe_per_bar": trained.evidence.sharpe_per_bar,
            "left_out_t": trained.evidence.t_value,
            "first_size_frac": trained.evidence.size_frac,
        }
    if tracked is not None:
        tracked.learning(trained.curve)
        tracked.facts(facts, trained.best.step)
    return FittedPolicy(network, facts, trained.curve, trained.validation)


def _as_profile_says(plan: RunPlan) -> PolicyConfig:
    """The settings, without abstention where the profile has none."""
    config, profile = plan.settings.rl_policy, plan.profile
    if config.hindsight is None or profile.may_abstain:
        return config
    return config.model_copy(update={"hindsight": config.hindsight.model_copy(update={"least_t": -math.inf})})
