"""What a run is to do, checked and fixed before anything is trained or written."""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agv2.app.cross_fitting import cross_fit_blocks
from agv2.app.erasure import NOTHING_ERASED, Erasure
from agv2.app.market_preparation import PreparedMarket, as_known_after, prepare_markets
from agv2.app.settings import Settings, load_settings, require_known_symbols
from agv2.app.tracking.server import Tracker, open_tracker
from agv2.app.training_tracking import ENCODER_EXPERIMENT
from agv2.app.tuned_record import TunedRecord, read_tuned_record
from agv2.app.workers.opening import Workers
from agv2.backtest.config import RunProfile
from agv2.backtest.trial_ledger import Trial, data_digest
from agv2.backtest.walk_forward import Fold, portfolio_walk_forward, walk_forward
from agv2.core.errors import DataError
from agv2.data.bars_file import symbol_of
from agv2.models.training_blocks import TrainingBlock
from agv2.utils.clock import Clock, SystemClock
from agv2.utils.config import Override
from agv2.utils.environment import load_environment

__all__ = [
    "SMOKE_BARS",
    "SMOKE_ENCODER",
    "SMOKE_TRAIN_FRAC",
    "RunPlan",
    "RunRequest",
    "cut_folds",
    "first_test_ns",
    "least_training_bars",
    "make_plan",
]

SMOKE_BARS = 3200
SMOKE_TRAIN_FRAC = 0.85
SMOKE_ENCODER = (32, 16)
"""Bars of its window and channels, at most: what a rehearsal trains is small enough to be exported in seconds."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the user asked for."""

    bars: tuple[Path, ...]
    out: Path
    symbols: tuple[str, ...] = ()
    """One a file, or none to take them from the file names."""
    profile: str = "quick"
    seed: int = 7
    resume: bool = False
    config_dir: Path | None = None
    overrides: tuple[Override, ...] = ()
    quiet: bool = False
    accept_defects: bool = False
    """Run on files whose bars have errors, wherever that is possible, and say so in every result."""
    workers: Workers | None = None
    """Who trains and trades the folds; None: this process. It changes no result."""
    mlflow: bool = False
    """Whether MLflow is told of the run and its trainings, and gets its bundle. It changes no result."""
    clock: Clock = field(default_factory=SystemClock)
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunPlan:
    """Everything that is fixed before the first fold."""

    request: RunRequest
    settings: Settings
    profile_name: str
    profile: RunProfile
    markets: tuple[PreparedMarket, ...]
    folds: tuple[tuple[Fold, ...], ...]
    """Per symbol its folds."""
    trial: Trial
    notes: tuple[str, ...]
    tracker: Tracker | None = None
    """Where trainings are told to; None unless that is switched on."""
    tuned: TunedRecord | None = None
    """Where the settings come from, if a study chose them."""
    erased: Erasure = NOTHING_ERASED
    """What encoder and policy do without; nothing, but for an ablation."""

    def blocks_of(self, folds: Sequence[Fold]) -> tuple[TrainingBlock, ...]:
        """The blocks in which the head predictions of these training bars are cross-fitted; none where that is off.

        Args:
            folds: of each market.
        """
        return cross_fit_blocks(self.markets, folds, self.settings, self.profile.cross_fit_blocks)

    @property
    def kelly_fraction(self) -> float:
        """Share of the Kelly size that caps positions on test bars; 0: no cap."""
        return self.settings.risk.active.kelly_fraction

    @property
    def initial_equity(self) -> float:
        """Money in each book at the start."""
        return self.settings.backtest.initial_equity / len(self.markets)


def make_plan(request: RunRequest, *, again: bool = False) -> RunPlan:
    """Check every input; nothing is written yet.

    Args:
        request: what the user asked for.
        again: the plan of a finished run, to look into it: its profile is taken as it is, and nobody is told.

    Raises:
        ConfigError: a setting is wrong or was tuned on bars of the tests, or the tracking server that the environment
            names does not answer.
        DataError: a file cannot be used or has errors that were not accepted, or there are too few bars for the folds.
    """
    settings = load_settings(request.config_dir, request.overrides)
    tuned = read_tuned_record(request.config_dir)
    tracker = (
        None if again else open_tracker(load_environment(), request.clock, ENCODER_EXPERIMENT, wanted=request.mlflow)
    )
    require_known_symbols(request.overrides, request.symbols or [symbol_of(path) for path in request.bars])
    from_environment = not again and os.environ.get("AGV2_SMOKE") == "1"
    smoke = from_environment or request.profile == "smoke"
    profile_name = "smoke" if smoke else request.profile
    profile = settings.backtest.profiles[profile_name]  # type: ignore[index]  # one of the five names
    if smoke:
        settings = replace(settings, encoder=settings.encoder.shortened(*SMOKE_ENCODER))
    most_bars = SMOKE_BARS if smoke else None
    markets = prepare_markets(request.bars, request.symbols, settings, most_bars, accept_defects=request.accept_defects)
    folds = cut_folds(markets, settings, profile.folds, SMOKE_TRAIN_FRAC if smoke else None)
    if tuned is not None:
        tuned.require_before(first_test_ns(markets, folds), request.config_dir)
    known = tuple(as_known_after(market, settings, own[0].test_lo) for market, own in zip(markets, folds, strict=True))
    notes = [note for market in known for note in market.notes]
    if tuned is not None:
        notes.append(tuned.note)
    if smoke:
        notes.append(f"AGV2_SMOKE=1: at most {SMOKE_BARS} bars, one fold and a few updates; nothing here is a result")
    if not settings.encoder.exact_in_one_pass:
        notes.append(
            f"encoder {settings.encoder.backbone}: its embeddings of a history are close to those of single windows, "
            "as live trading makes them, but not equal; folds/run.log says how close"
        )
    if profile.seeds == 1:
        notes.append(f"profile {profile_name}: one seed; another seed may give another result")
    trial = Trial(
        data_hash=data_digest([market.content_hash for market in known]),
        config_digest=settings.digest([market.bars.symbol for market in known], profile_name),
        seed=request.seed,
    )
    plan = RunPlan(request, settings, profile_name, profile, known, folds, trial, tuple(notes), tracker, tuned)
    return replace(plan, notes=(*notes, *_cross_fit_notes(plan)))


def first_test_ns(markets: Sequence[PreparedMarket], folds: Sequence[Sequence[Fold]]) -> int:
    """Open of the first test bar of the whole walk-forward, of any symbol.

    Args:
        markets: prepared markets.
        folds: of each, in order.
    """
    return min(int(market.bars.ts_ns[own[0].test_lo]) for market, own in zip(markets, folds, strict=True))


def _cross_fit_notes(plan: RunPlan) -> list[str]:
    """Where the policy learns from in-sample predictions, and why."""
    profile = plan.profile
    in_sample = "the head predictions that the policy is trained on are the encoder's of its own training bars"
    if profile.cross_fit_blocks < 2:
        return [f"profile {plan.profile_name}: {in_sample}; they are cross-fitted from cross_fit_blocks 2 on"]
    short = [
        str(number) for number, folds in enumerate(zip(*plan.folds, strict=True), start=1) if not plan.blocks_of(folds)
    ]
    if not short:
        return []
    where = f"fold{'s' if len(short) > 1 else ''} {', '.join(short)}"
    return [f"{where}: {in_sample}; too few bars to cross-fit them in {profile.cross_fit_blocks} blocks, give more"]


def cut_folds(
    markets: Sequence[PreparedMarket], settings: Settings, n_folds: int, train_frac: float | None
) -> tuple[tuple[Fold, ...], ...]:
    """The folds of a walk-forward.

    Args:
        markets: prepared markets.
        settings: windows, horizons and embargo.
        n_folds: test folds.
        train_frac: stands in for the setting `backtest.first_train_frac`; None: that.

    Returns:
        Per symbol its folds.

    Raises:
        DataError: too few bars; names the file.
    """
    rules = functools.partial(
        portfolio_walk_forward,
        n_folds=n_folds,
        first_train_frac=train_frac or settings.backtest.first_train_frac,
        horizon=settings.label_reach,
        embargo_bars=settings.backtest.embargo_bars,
        mode=settings.backtest.window,
        min_train_bars=least_training_bars(settings),
    )
    if len(markets) > 1:
        stamps = [market.bars.ts_ns for market in markets]
        names = [str(market.path) for market in markets]
        return rules(stamps, warmups=[market.first_decision for market in markets], symbols=names)
    (market,) = markets
    try:
        return (walk_forward(len(market.bars), warmup=market.first_decision, **rules.keywords),)
    except DataError as error:
        raise DataError(f"{market.path}: {error}") from None


def least_training_bars(settings: Settings) -> int:
    """Bars with a whole window that the encoder's purged split needs, with a little room."""
    encoder = settings.encoder
    reach = settings.label_reach
    to_train = (encoder.window + reach + encoder.embargo_bars + 80) / (1.0 - encoder.validation_fraction)
    to_select = 2.0 * (reach + 1) / encoder.validation_fraction  # half of the validation bars, less the reach
    return int(max(to_train, to_select)) + 1
