"""The model of `config/backtest.yaml`: folds, training budgets and the account."""

from typing import Annotated, Literal

from pydantic import Field

from agv2.utils.config import Config

__all__ = ["BacktestConfig", "RunProfile"]

Steps = Annotated[int, Field(ge=1)]


class RunProfile(Config):
    """How much work a run does; training ends by these numbers, never by a clock."""

    folds: Annotated[int, Field(ge=1, le=50)]
    seeds: Annotated[int, Field(ge=1, le=25)]
    """Policies trained per fold; with more than one, the ensemble trades."""
    encoder_steps: Steps
    """Gradient steps of the encoder in each fold."""
    cross_fit_blocks: Annotated[int, Field(ge=0, le=20)]
    """Blocks of a fold's training bars; the head predictions that the policy reads of each come from an encoder that
    was fitted on the others. Fewer than two: from the fold's own encoder."""
    policy_steps: Steps
    """Environment steps of each policy in each fold, after its first lessons."""
    may_abstain: bool
    """Whether a policy stays flat where its training bars hold too little evidence that trading pays."""
    costly_baselines: bool
    """Whether the encoder's heads are compared with GARCH and boosted trees too, half a minute more a fold."""
    bundle: Literal["last_fold", "retrain"]
    """What `bundle/` holds: the last fold's models, or models trained on every bar."""
    robustness: Literal["none", "traded", "trained"]
    """Which checks of `agv2 robustness` a run does by itself: none, those that trade its test bars again, or those that
    train its last fold again too. They look at a trial and change nothing about it."""


class BacktestConfig(Config):
    """The model of `config/backtest.yaml`."""

    initial_equity: Annotated[float, Field(gt=0.0)]
    first_train_frac: Annotated[float, Field(gt=0.0, lt=1.0)]
    """Share of the usable bars that comes before the first test bar."""
    window: Literal["expanding", "rolling"]
    """Whether later folds train on everything before them, or on as much as the first."""
    embargo_bars: Annotated[int, Field(ge=0)]
    """Training bars dropped before each test fold beyond the longest label horizon."""
    bootstrap_resamples: Annotated[int, Field(ge=100)]
    profiles: dict[Literal["quick", "standard", "thorough", "demo", "smoke"], RunProfile]
