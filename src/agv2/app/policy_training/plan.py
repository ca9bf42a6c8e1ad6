"""What is fixed before the first policy is trained: which bars teach, which test, and by whose eyes they are seen."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agv2.app.encoder_store import StoredEncoder, load_encoder
from agv2.app.encoder_training.holdout import hold_out, purge_bars
from agv2.app.encoder_training.plan import EncoderRequest, budget_of
from agv2.app.fold_training import training_data
from agv2.app.market_preparation import as_known_after, prepare_markets
from agv2.app.policy_fitting import policy_spans
from agv2.app.run_plan import SMOKE_BARS, RunPlan, RunRequest
from agv2.app.settings import load_settings, require_known_symbols
from agv2.app.tracking.server import open_tracker
from agv2.app.training_tracking import POLICY_EXPERIMENT
from agv2.backtest.provenance import source_digest
from agv2.backtest.trial_ledger import Trial, data_digest
from agv2.backtest.walk_forward import Fold
from agv2.core.errors import ConfigError
from agv2.data.bars_file import symbol_of
from agv2.models.training_checkpoint import series_digest
from agv2.utils.clock import SystemClock
from agv2.utils.config import Override
from agv2.utils.environment import load_environment

__all__ = ["PolicyPlan", "PolicyRequest", "make_policy_plan"]

SMOKE = "smoke"


@dataclass(frozen=True, slots=True)
class PolicyRequest:
    """What the user asked for."""

    bars: tuple[Path, ...]
    symbols: tuple[str, ...] = ()
    """One a file, or none to take them from the file names."""
    encoder: str = ""
    """Name of a stored encoder, or its directory; empty: one is trained."""
    profile: str = "quick"
    seed: int = 7
    """Of the first policy; the next ones count up."""
    n_seeds: int | None = None
    """Policies to train; None: three, in a rehearsal one."""
    holdout_frac: float = 0.25
    """Share of the bars, the last ones, that nothing is fitted on or chosen by."""
    out: Path | None = None
    """None: a directory of the project home whose name says what was trained."""
    resume: bool = False
    mlflow: bool = False
    """Whether MLflow is told, also where no key names a server."""
    accept_defects: bool = False
    config_dir: Path | None = None
    overrides: tuple[Override, ...] = ()
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class PolicyPlan:
    """Everything that policies are trained with, chosen by and tested on.

    Attributes:
        run: the same as a run of one fold.
        folds: per symbol the bars that train, whose last ones choose, and those that test.
        stored: an encoder trained before; None where one is to be trained.
        knows_its_bars: whether `stored` was fitted on just these training bars, so that it has seen no test bar.
        seeds: one a policy.
        holdout_frac: share of the bars that was to be held out.
        purge_bars: left out before these.
        identity: what must be the same when an interrupted training goes on, by the words a person knows it by.
    """

    run: RunPlan
    folds: tuple[Fold, ...]
    stored: StoredEncoder | None
    knows_its_bars: bool
    seeds: tuple[int, ...]
    holdout_frac: float
    purge_bars: int
    identity: Mapping[str, Any]


def make_policy_plan(request: PolicyRequest) -> PolicyPlan:
    """Check bars, settings and encoder; nothing is written.

    Raises:
        ConfigError: a setting or an option is wrong, or there is no such encoder.
        BundleError: the encoder was damaged, or was made for other features, bars or settings.
        DataError: a file cannot be used, or there are too few bars.
    """
    settings = load_settings(request.config_dir, request.overrides)
    require_known_symbols(request.overrides, request.symbols or [symbol_of(path) for path in request.bars])
    asked = EncoderRequest(
        profile=request.profile, seed=request.seed, n_seeds=request.n_seeds, holdout_frac=request.holdout_frac
    )
    budget, encoder_config = budget_of(asked, settings)
    settings = replace(settings, encoder=encoder_config)
    stored = load_encoder(_encoder_directory(request.encoder)) if request.encoder else None
    tracker = open_tracker(load_environment(), SystemClock(), POLICY_EXPERIMENT, wanted=request.mlflow)
    most_bars = SMOKE_BARS if budget.profile == SMOKE else None
    markets = prepare_markets(request.bars, request.symbols, settings, most_bars, accept_defects=request.accept_defects)
    if stored is not None:
        features = tuple((column.name, column.lookback) for column in markets[0].features.columns)
        stored.require_matches(features, markets[0].bars.timeframe.name, encoder_config)
        settings = replace(settings, encoder=stored.encoder.pretrained.config)
    folds = hold_out(
        [market.bars.ts_ns for market in markets],
        [market.first_decision for market in markets],
        [str(market.path) for market in markets],
        settings,
        request.holdout_frac,
    )
    known = tuple(as_known_after(market, settings, fold.test_lo) for market, fold in zip(markets, folds, strict=True))
    profile = settings.backtest.profiles[budget.profile]  # type: ignore[index]  # one of the five names
    profile = profile.model_copy(update={"folds": 1, "seeds": len(budget.seeds), "bundle": "last_fold"})
    trial = Trial(
        data_hash=data_digest([market.content_hash for market in known]),
        config_digest=settings.digest([market.bars.symbol for market in known], budget.profile),
        seed=request.seed,
    )
    run_request = RunRequest(
        bars=request.bars, out=request.out or Path(), symbols=request.symbols, profile=request.profile,
        seed=request.seed, config_dir=request.config_dir, overrides=request.overrides, quiet=request.quiet,
    )  # fmt: skip
    run = RunPlan(
        run_request, settings, budget.profile, profile, known, tuple((fold,) for fold in folds), trial, (), tracker
    )
    policy_spans(run, folds)  # refuses too few bars
    knows = False
    if stored is not None:
        knows = series_digest(training_data(known, folds, settings)[1]) == stored.origin.data_digest
    run = replace(run, notes=tuple(_notes(run, folds, stored, knows)))
    return PolicyPlan(
        run=run,
        folds=tuple(folds),
        stored=stored,
        knows_its_bars=knows or stored is None,
        seeds=budget.seeds,
        holdout_frac=request.holdout_frac,
        purge_bars=purge_bars(settings),
        identity={
            "bars or --symbol": [trial.data_hash, [market.bars.symbol for market in known]],
            "settings or --profile": trial.config_digest,
            "--encoder": "" if stored is None else stored.directory.name,
            "--seed or --seeds": list(budget.seeds),
            "--holdout": request.holdout_frac,
            "AGV2 sources": source_digest(),
        },
    )


def _encoder_directory(name: str) -> Path:
    """The directory that a name or a path stands for."""
    if Path(name).is_dir():
        return Path(name)
    root = load_environment().encoders
    if (root / name).is_dir():
        return root / name
    kept = sorted(path.name for path in root.iterdir() if not path.name.startswith(".")) if root.is_dir() else []
    close = difflib.get_close_matches(name, kept, n=1, cutoff=0.0)
    hint = f"did you mean {close[0]}?" if close else "agv2 train encoder makes one"
    raise ConfigError(f"--encoder {name}: neither a directory nor an encoder in {root}; {hint}")


def _notes(run: RunPlan, folds: list[Fold], stored: StoredEncoder | None, knows: bool) -> list[str]:
    notes = [note for market in run.markets for note in market.notes]
    if run.profile_name == SMOKE:
        notes.append(f"AGV2_SMOKE=1: at most {SMOKE_BARS} bars and a few updates; nothing here is a result")
    if stored is not None and not knows:
        notes.append(
            f"encoder {stored.directory.name} was fitted on other bars than those that train the policies: whether it "
            "has seen bars of the test is not known; leave --encoder out to train one that has not"
        )
    if not run.blocks_of(folds):
        notes.append(
            "the head predictions that the policies are trained on are the encoder's of its own training bars; "
            "cross_fit_blocks from 2 on and enough bars have them made by encoders of other blocks"
        )
    if run.profile.seeds == 1:
        notes.append("one seed; another seed may give another result")
    notes.append(
        "one part of the bars was looked at, and no trial was counted: agv2 run gives a verdict, this does not"
    )
    return notes
