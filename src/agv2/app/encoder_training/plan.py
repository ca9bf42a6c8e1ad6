"""What is fixed before the first encoder is trained: who teaches, who scores, how long, and how often."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agv2.app.encoder_report import SymbolSpan
from agv2.app.run_plan import SMOKE_ENCODER
from agv2.app.settings import Settings
from agv2.app.tracking.server import Tracker
from agv2.core.arrays import BoolArray
from agv2.core.errors import ConfigError, DataError
from agv2.models.bar_basis import LinearInputs
from agv2.models.config import EncoderConfig
from agv2.models.normalizer import Normalizer
from agv2.models.training_rows import TrainingSeries, purged_rows
from agv2.utils.config import Override

__all__ = ["EncoderBudget", "EncoderPlan", "EncoderRequest", "budget_of", "known_targets", "require_teachable"]

USUAL_SEEDS = 3
_SMOKE_VALIDATION = 0.4  # so that a thousand bars will do


@dataclass(frozen=True, slots=True)
class EncoderRequest:
    """What the user asked for: bars, or a file of windows."""

    bars: tuple[Path, ...] = ()
    windows: Path | None = None
    symbols: tuple[str, ...] = ()
    """One a file of bars, or none to take them from the file names."""
    profile: str = "quick"
    seed: int = 7
    """Of the first encoder; the next ones count up."""
    n_seeds: int | None = None
    """Encoders to train; None: three, in a rehearsal one."""
    holdout_frac: float = 0.25
    """Share of the bars, the last ones, that nothing is fitted on."""
    out: Path | None = None
    """None: a directory of the project home whose name says what was trained."""
    resume: bool = False
    mlflow: bool = False
    """Whether MLflow is told, also where no key names a server."""
    ablate: bool = False
    """Train again without each head, to see what the others lose."""
    accept_defects: bool = False
    config_dir: Path | None = None
    overrides: tuple[Override, ...] = ()
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class EncoderBudget:
    """How much is trained, and which baselines are worth the wait."""

    profile: str
    steps: int
    seeds: tuple[int, ...]
    costly: bool
    """Whether GARCH and boosted trees are computed."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class EncoderPlan:
    """Everything that encoders are trained with, and that they are scored on.

    Attributes:
        config: network and training; heads without labels have weight 0.
        budget: steps and seeds.
        fit: per symbol the bars that teach, targets from these bars alone.
        whole: the same with the held-out bars behind them.
        fit_rows: rows of each of `whole` that baselines are fitted on: all those of `fit`, whose last ones the
            encoder keeps apart to choose its weights by.
        score_rows: rows of each of `whole` that only score.
        normalizer: of the features, fitted on the bars that teach.
        features: name and lookback of each column, in order; 0 where a file of windows does not say.
        data_digest: of bars or windows.
        linear_inputs: features for the heads' linear parts; None for all.
        spans: per symbol which bars these are.
        holdout_frac: share of the bars that was to be held out.
        purge_bars: left out before these.
        notes: what a reader of the results must know.
        identity: what must be the same when an interrupted training goes on, by the words a person knows it by.
        unusable_baselines: names of those that these series do not tell enough for.
        tracker: told how trainings go; None for nobody.
    """

    config: EncoderConfig
    budget: EncoderBudget
    fit: tuple[TrainingSeries, ...]
    whole: tuple[TrainingSeries, ...]
    fit_rows: tuple[range, ...]
    score_rows: tuple[range, ...]
    normalizer: Normalizer
    features: tuple[tuple[str, int], ...]
    data_digest: str
    linear_inputs: LinearInputs | None
    spans: tuple[SymbolSpan, ...]
    holdout_frac: float
    purge_bars: int
    notes: tuple[str, ...]
    identity: Mapping[str, Any]
    unusable_baselines: frozenset[str] = frozenset()
    tracker: Tracker | None = None

    @property
    def heads(self) -> tuple[str, ...]:
        """Heads that are trained and scored."""
        return tuple(name for name, weight in self.config.head_weights.model_dump().items() if weight > 0.0)


def budget_of(request: EncoderRequest, settings: Settings) -> tuple[EncoderBudget, EncoderConfig]:
    """Steps, seeds and baselines of a profile, and the encoder that they train.

    With `AGV2_SMOKE=1` everything is a rehearsal: a few steps of a small network.

    Raises:
        ConfigError: a number makes no sense.
    """
    smoke = os.environ.get("AGV2_SMOKE") == "1"
    name = "smoke" if smoke else request.profile
    steps = settings.backtest.profiles[name].encoder_steps  # type: ignore[index]  # one of the five names
    n_seeds = request.n_seeds or (1 if smoke else USUAL_SEEDS)
    if not 0.0 < request.holdout_frac < 1.0:
        raise ConfigError(f"--holdout {request.holdout_frac:g}: expected a share between 0 and 1, such as 0.25")
    config = settings.encoder
    note = ""
    if smoke:
        config = config.shortened(*SMOKE_ENCODER)
        config = config.model_copy(update={"validation_fraction": _SMOKE_VALIDATION})
        note = f"AGV2_SMOKE=1: {steps} steps of a network that reads {config.window} bars; nothing here is a result"
    seeds = tuple(range(request.seed, request.seed + n_seeds))
    return EncoderBudget(name, steps, seeds, name not in ("quick", "smoke"), note), config


def require_teachable(
    fit: Sequence[TrainingSeries],
    whole: Sequence[TrainingSeries],
    score_rows: Sequence[range],
    config: EncoderConfig,
    remedy: str,
) -> list[str]:
    """Refuse what cannot be trained before any training starts.

    Args:
        fit: the bars that teach.
        whole: these and those held out.
        score_rows: of `whole`.
        config: network, training and weights.
        remedy: what to do where a head has no labels.

    Returns:
        A sentence on each head with a weight that cannot be scored, because no held-out row knows its target.

    Raises:
        DataError: too few bars, or a head with a weight whose labels are known nowhere among the rows that teach.
    """
    if not any(config.head_weights.model_dump().values()):
        raise DataError(f"no head has both labels and a weight, so there is nothing to train; {remedy}")
    taught = [rows.train for rows in purged_rows(fit, config)]
    notes = []
    for head, weight in config.head_weights.model_dump().items():
        if weight <= 0.0 or head == "reconstruction":
            continue
        if not _any_known(head, fit, taught):
            raise DataError(
                f"head {head}: no label is known among the {sum(map(len, taught)):,} rows that train it; {remedy}, or "
                f"leave it out with --set encoder.head_weights.{head}=0"
            )
        if not _any_known(head, whole, score_rows):
            notes.append(f"head {head} is not scored: no label is known among the rows held out; {remedy}")
    return notes


def _any_known(head: str, series: Sequence[TrainingSeries], rows: Sequence[range]) -> bool:
    parts = zip(series, rows, strict=True)
    return any(known_targets(one, head)[part.start : part.stop].any() for one, part in parts)


def known_targets(series: TrainingSeries, head: str) -> BoolArray:
    """(n_bars,) whether a target of the head is known."""
    if head == "quantiles":
        return np.asarray(np.isfinite(series.future).all(axis=1))
    if head == "levels":
        return np.asarray((series.reacted >= 0).any(axis=1))
    return np.asarray((series.regime if head == "regime" else series.pattern) >= 0)
