"""What is fixed before a challenger is trained: whom it challenges, which newer bars teach it, which test both."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from agv2.app.fold_training import FoldEncoder, observation_layout
from agv2.app.market_preparation import PreparedMarket, as_known_after, prepare_markets
from agv2.app.policy_fitting import policy_spans
from agv2.app.run_plan import RunPlan, RunRequest
from agv2.app.settings import Settings, load_settings, require_known_symbols
from agv2.app.tracking.server import Tracker, open_tracker
from agv2.app.trading.settings import settings_directory
from agv2.app.tuned_record import read_tuned_record
from agv2.backtest.provenance import source_digest
from agv2.backtest.report.numerals import format_stamp
from agv2.backtest.trial_ledger import Trial, data_digest
from agv2.backtest.walk_forward import Fold, portfolio_walk_forward
from agv2.core.errors import BundleError, ConfigError, DataError
from agv2.data.bars_file import symbol_of
from agv2.decision.actions import ACTION_NVEC
from agv2.models.bundle import ModelBundle
from agv2.models.config import EncoderConfig
from agv2.models.policy import PolicyNetwork
from agv2.risk.kelly import EdgeEstimate
from agv2.utils.clock import Clock, SystemClock
from agv2.utils.config import Override
from agv2.utils.environment import load_environment

__all__ = ["CHALLENGER_EXPERIMENT", "ChallengerPlan", "ChallengerRequest", "make_challenger_plan"]

CHALLENGER_EXPERIMENT = "agv2 challenger"
_LEAST_BARS = 300
"""That teach: on fewer, a policy learns the weather."""


@dataclass(frozen=True, slots=True)
class ChallengerRequest:
    """What the user asked for."""

    bundle: Path
    """Of the champion."""
    bars: tuple[Path, ...]
    """Of its symbols: older bars to warm up, and newer ones than it knows."""
    out: Path
    symbols: tuple[str, ...] = ()
    """One a file, or none to take them from the file names."""
    profile: str = "quick"
    seed: int = 7
    holdout_frac: float = 0.4
    """Share of the newer bars, the last ones, on which both are compared."""
    resume: bool = False
    mlflow: bool = False
    accept_defects: bool = False
    config_dir: Path | None = None
    overrides: tuple[Override, ...] = ()
    quiet: bool = False
    clock: Clock = field(default_factory=SystemClock)


@dataclass(frozen=True, slots=True)
class ChallengerPlan:
    """Everything that is fixed before anything is trained.

    Attributes:
        run: the same as a run of one fold, on the newer bars.
        folds: per symbol the newer bars that train, whose last ones choose, and those that compare.
        champion: whom it challenges.
        encoder: its encoder and normaliser, which stay as they are.
        policy: its policy.
        edge: what its size rests on; None where the Kelly cap was off.
        start: what the training goes on from; None where the champion stays flat whatever it sees.
        holdout_frac: share of the newer bars that was to be held out.
        identity: what must be the same when an interrupted training goes on.
    """

    run: RunPlan
    folds: tuple[Fold, ...]
    champion: ModelBundle
    encoder: FoldEncoder
    policy: PolicyNetwork
    edge: EdgeEstimate | None
    start: PolicyNetwork | None
    holdout_frac: float
    identity: Mapping[str, Any]


def make_challenger_plan(request: ChallengerRequest) -> ChallengerPlan:
    """Check bundle, bars and settings; nothing is written.

    Raises:
        ConfigError: a setting or an option is wrong, or MLflow is to be told and cannot be.
        BundleError: the bundle was changed, is for other features or timeframes, or does not say which bars it knows.
        DataError: a file cannot be used, or there are too few bars that the bundle does not know.
    """
    if not 0.0 < request.holdout_frac < 1.0:
        raise ConfigError(f"--holdout {request.holdout_frac:g}: expected a share between 0 and 1, such as 0.4")
    champion = ModelBundle.load(request.bundle)
    tracker = open_tracker(load_environment(), request.clock, CHALLENGER_EXPERIMENT, wanted=request.mlflow)
    directory = settings_directory(request.bundle, request.config_dir)
    policy = champion.policy()
    start = None if _is_constant(policy) else policy
    settings = _continuing(load_settings(directory, request.overrides), champion, start)
    require_known_symbols(request.overrides, request.symbols or [symbol_of(path) for path in request.bars])
    markets = prepare_markets(request.bars, request.symbols, settings, accept_defects=request.accept_defects)
    _require_same_market(champion, markets, settings)
    folds = _newer_folds(champion, markets, settings, request.holdout_frac)
    if (tuned := read_tuned_record(directory)) is not None:
        held_from = min(int(market.bars.ts_ns[fold.test_lo]) for market, fold in zip(markets, folds, strict=True))
        tuned.require_before(held_from, directory)
    known = _as_champion_trades(champion, markets, folds, settings)
    run = _one_fold_run(request, settings, known, folds, tracker)
    run = replace(run, notes=tuple(_notes(run, champion, start)))
    policy_spans(run, folds)  # refuses too few bars
    edge = champion.manifest.edge
    return ChallengerPlan(
        run=run,
        folds=folds,
        champion=champion,
        encoder=FoldEncoder(champion.normalizer, champion.pretrained()),
        policy=policy,
        edge=None if edge is None else EdgeEstimate(**edge),
        start=start,
        holdout_frac=request.holdout_frac,
        identity={
            "--bundle": champion.digest,
            "bars or --symbol": [run.trial.data_hash, [market.bars.symbol for market in known]],
            "settings or --profile": run.trial.config_digest,
            "--seed": request.seed,
            "--holdout": request.holdout_frac,
            "AGV2 sources": source_digest(),
        },
    )


def _is_constant(policy: PolicyNetwork) -> bool:
    """Whether it chooses the same whatever it sees, as a policy does that abstains: no gradient moves that."""
    return not bool(policy.action_net.weight.detach().any())


def _continuing(settings: Settings, champion: ModelBundle, start: PolicyNetwork | None) -> Settings:
    """The settings with the champion's encoder; and PPO on a network like the champion's, where its policy goes on."""
    settings = replace(settings, encoder=EncoderConfig.model_validate(champion.manifest.encoder))
    if start is None:
        return settings
    weights = start.state_dict()
    widths = tuple(weights[name].shape[0] for name in weights if "policy_net" in name and name.endswith("bias"))
    embedding = weights["mlp_extractor.policy_net.0.weight"][:, : settings.encoder.embedding_dim]
    changes = {"algorithm": "ppo", "hindsight": None, "net_arch": widths, "read_embedding": bool(embedding.any())}
    return replace(settings, rl_policy=settings.rl_policy.model_copy(update=changes))


def _require_same_market(champion: ModelBundle, markets: Sequence[PreparedMarket], settings: Settings) -> None:
    known, symbols = champion.manifest, tuple(market.bars.symbol for market in markets)
    if set(symbols) != set(known.symbols):
        raise ConfigError(
            f"--bars: {', '.join(symbols)}, but {champion.directory} trades {', '.join(known.symbols)}; give a file "
            "for each of these and no other, or name them with --symbol"
        )
    if (timeframe := markets[0].bars.timeframe.name) != known.timeframe:
        raise BundleError(f"{champion.directory}: for bars of {known.timeframe}, but {markets[0].path} has {timeframe}")
    features = tuple((column.name, column.lookback) for column in markets[0].features.columns)
    champion.require_matches(features, observation_layout(settings.encoder).slices(), ACTION_NVEC)


def _newer_folds(
    champion: ModelBundle, markets: Sequence[PreparedMarket], settings: Settings, share: float
) -> tuple[Fold, ...]:
    """Per symbol the bars that the champion does not know, cut in two with a purged gap."""
    until = champion.manifest.known_until_ns
    if until == 0:
        raise BundleError(f"{champion.directory}: does not say which bars it knows; train it again with agv2 run")
    firsts = []
    for market in markets:
        first = int(np.searchsorted(market.bars.ts_ns, until, side="right"))
        if first == len(market.bars):
            raise DataError(
                f"{market.path}: ends {format_stamp(int(market.bars.ts_ns[-1]))}, but {champion.directory} knows the "
                f"bars until {format_stamp(until)}: a challenger needs newer ones"
            )
        firsts.append(max(first, market.first_decision))
    try:
        folds = portfolio_walk_forward(
            [market.bars.ts_ns for market in markets],
            n_folds=1,
            first_train_frac=1.0 - share,
            horizon=settings.label_reach,
            embargo_bars=settings.backtest.embargo_bars,
            warmups=firsts,
            min_train_bars=_LEAST_BARS,
            symbols=[str(market.path) for market in markets],
        )
    except DataError as error:
        stamp = format_stamp(until)
        raise DataError(f"{error} (bars until {stamp} are known to the champion; --holdout {share:g})") from None
    return tuple(fold._replace(train_lo=first) for (fold,), first in zip(folds, firsts, strict=True))


def _as_champion_trades(
    champion: ModelBundle, markets: Sequence[PreparedMarket], folds: Sequence[Fold], settings: Settings
) -> tuple[PreparedMarket, ...]:
    """The markets with the champion's own bars a year, by which its limits are scaled in trading as well."""
    per_year = dict(zip(champion.manifest.symbols, champion.manifest.bars_per_year, strict=True))
    found = []
    for market, fold in zip(markets, folds, strict=True):
        known, own = as_known_after(market, settings, fold.test_lo), per_year[market.bars.symbol]
        found.append(replace(known, bars_per_year=own, params=settings.risk.active.params(own)))
    return tuple(found)


def _one_fold_run(
    request: ChallengerRequest,
    settings: Settings,
    markets: tuple[PreparedMarket, ...],
    folds: Sequence[Fold],
    tracker: Tracker | None,
) -> RunPlan:
    name = "smoke" if os.environ.get("AGV2_SMOKE") == "1" else request.profile
    profile = settings.backtest.profiles[name]  # type: ignore[index]  # one of the five names
    # The encoder never saw these bars: its predictions of them need no cross-fitting.
    profile = profile.model_copy(update={"folds": 1, "seeds": 1, "bundle": "last_fold", "cross_fit_blocks": 0})
    symbols = [market.bars.symbol for market in markets]
    trial = Trial(
        data_digest([market.content_hash for market in markets]), settings.digest(symbols, name), request.seed
    )
    run_request = RunRequest(
        bars=request.bars, out=request.out, symbols=request.symbols, profile=request.profile, seed=request.seed,
        config_dir=request.config_dir, overrides=request.overrides, quiet=request.quiet, clock=request.clock,
    )  # fmt: skip
    own = tuple((fold,) for fold in folds)
    return RunPlan(run_request, settings, name, profile, markets, own, trial, (), tracker)


def _notes(run: RunPlan, champion: ModelBundle, start: PolicyNetwork | None) -> list[str]:
    notes = [note for market in run.markets for note in market.notes]
    if run.profile_name == "smoke":
        notes.append("AGV2_SMOKE=1: a few updates; nothing here is a result")
    if start is None:
        notes.append(
            f"the champion {champion.digest[:12]} stays flat whatever it sees, so there is no policy to go on from: "
            "the challenger's is a new one, taught on the newer bars alone"
        )
    notes.append("encoder, heads and normaliser are the champion's; only the policy was trained")
    notes.append("one stretch of bars was looked at, and no trial was counted: agv2 run gives a verdict, this does not")
    return notes
