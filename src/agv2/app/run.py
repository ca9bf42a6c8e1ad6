"""`agv2 run`: from bars to an honest report, walking forward.

Stages: read and check → per fold: encoder, policies, out-of-sample account → evidence → bundle → report.
Nothing is written before every input has been checked, and each finished stage is on disk before the next begins.
"""

import functools
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agv2.app.fold_training import FoldEncoder, fit_encoder, make_tapes
from agv2.app.market_preparation import PreparedMarket, as_known_after, prepare_markets
from agv2.app.progress import RunProgress, StageWork, reading
from agv2.app.results import FoldFacts, RunContext, RunOutcome, write_results
from agv2.app.run_log import run_log
from agv2.app.run_store import RunStore, require_fresh_directory
from agv2.app.settings import Settings, load_settings, require_known_symbols
from agv2.backtest.config import RunProfile
from agv2.backtest.provenance import source_digest
from agv2.backtest.replay import replay
from agv2.backtest.run_files import RunRows
from agv2.backtest.stitching import fold_rows
from agv2.backtest.tape import MarketTape
from agv2.backtest.trial_ledger import Trial, TrialLedger, data_digest
from agv2.backtest.walk_forward import Fold, portfolio_walk_forward, walk_forward
from agv2.core.errors import DataError
from agv2.data.bars_file import symbol_of
from agv2.models.heads import REGIMES
from agv2.models.policy import PolicyNetwork
from agv2.models.threads import torch_threads
from agv2.rl.episodes import Span
from agv2.rl.policy_adapter import TorchPolicy, ensemble_network
from agv2.rl.training import train_policy
from agv2.rl.validation import score_policy
from agv2.utils.clock import Clock, SystemClock
from agv2.utils.config import Override
from agv2.utils.seeding import spawn_seed

__all__ = ["RunRequest", "run"]

SMOKE_BARS = 3000
_SMOKE_TRAIN_FRAC = 0.85
_ENCODER_STEPS_PER_S, _POLICY_STEPS_PER_S = 6.0, 14_000.0  # only to lay out the progress bar
_VALIDATION_FRAC = 0.15


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
    clock: Clock = field(default_factory=SystemClock)
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Plan:
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

    @property
    def initial_equity(self) -> float:
        """Money in each book at the start."""
        return self.settings.backtest.initial_equity / len(self.markets)


def run(request: RunRequest) -> RunOutcome:
    """Do the main job.

    Args:
        request: files, output directory, profile, seed and settings.

    Returns:
        Where the report is and what the verdict says.

    Raises:
        ConfigError: a setting or the output directory is wrong.
        DataError: a file cannot be used, or there are too few bars for the folds.
    """
    started_ns = request.clock.now_ns()
    require_fresh_directory(request.out, request.resume)
    began = time.monotonic()
    with reading(quiet=request.quiet):
        plan = _plan(request)
    store = RunStore(request.out)
    with store.locked():
        return _carry_out(plan, store, started_ns, {"reading": time.monotonic() - began})


def _carry_out(plan: _Plan, store: RunStore, started_ns: int, seconds: Mapping[str, float]) -> RunOutcome:
    """Train, trade and judge; everything was checked."""
    request, ledger = plan.request, TrialLedger.open()
    state = store.open_state(
        {
            "bars or --symbol": [plan.trial.data_hash, [market.bars.symbol for market in plan.markets]],
            "settings or --profile": plan.trial.config_digest,
            "--seed": request.seed,
            "AGV2 sources": source_digest(),
        },
        {"started_ns": started_ns, "earlier_trials": list(ledger.count_before(plan.trial).names)},
    )
    if (request.out / "report.html").is_file():  # written last
        return RunOutcome.read(request.out)
    store.add_seconds(seconds)
    context = RunContext(
        out=request.out,
        settings=plan.settings,
        profile_name=plan.profile_name,
        profile=plan.profile,
        seed=request.seed,
        markets=plan.markets,
        folds=plan.folds,
        trial=plan.trial,
        count=ledger.count_before(plan.trial, among=state["earlier_trials"]),
        ledger=ledger,
        ledger_path=str(ledger.folder),
        notes=plan.notes,
        started_ns=int(state["started_ns"]),
        clock=request.clock,
        command=request.command,
    )
    with (
        run_log(request.out, plan.trial),
        torch_threads(1),
        RunProgress(_stages(plan), quiet=request.quiet) as progress,
    ):
        rows, facts, encoder, policy = _walk(plan, store, progress)
        return write_results(context, rows, facts, encoder, policy, store.seconds(), progress)


def _plan(request: RunRequest) -> _Plan:
    """Check every input; nothing is written yet."""
    settings = load_settings(request.config_dir, request.overrides)
    require_known_symbols(request.overrides, request.symbols or [symbol_of(path) for path in request.bars])
    smoke = os.environ.get("AGV2_SMOKE") == "1"
    profile_name = "smoke" if smoke else request.profile
    profile = settings.backtest.profiles[profile_name]  # type: ignore[index]  # one of the five names
    markets = prepare_markets(request.bars, request.symbols, settings, SMOKE_BARS if smoke else None)
    folds = _cut_folds(markets, settings, profile.folds, _SMOKE_TRAIN_FRAC if smoke else None)
    known = tuple(as_known_after(market, settings, own[0].test_lo) for market, own in zip(markets, folds, strict=True))
    notes = [note for market in known for note in market.notes]
    if smoke:
        notes.append(f"AGV2_SMOKE=1: at most {SMOKE_BARS} bars, one fold and a few updates; nothing here is a result")
    notes.append(
        "policy: its training bars are among the encoder's, so the head predictions it learns from are in-sample; "
        "they are not cross-fitted yet"
    )
    if profile.seeds == 1:
        notes.append(f"profile {profile_name}: one seed; another seed may give another result")
    trial = Trial(
        data_hash=data_digest([market.content_hash for market in known]),
        config_digest=settings.digest([market.bars.symbol for market in known], profile_name),
        seed=request.seed,
    )
    return _Plan(request, settings, profile_name, profile, known, folds, trial, tuple(notes))


def _cut_folds(
    markets: Sequence[PreparedMarket], settings: Settings, n_folds: int, train_frac: float | None
) -> tuple[tuple[Fold, ...], ...]:
    """Per symbol its folds; `train_frac` stands in for the setting."""
    rules = functools.partial(
        portfolio_walk_forward,
        n_folds=n_folds,
        first_train_frac=train_frac or settings.backtest.first_train_frac,
        horizon=settings.encoder.horizons[-1],
        embargo_bars=settings.backtest.embargo_bars,
        mode=settings.backtest.window,
        min_train_bars=_least_training_bars(settings),
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


def _least_training_bars(settings: Settings) -> int:
    """Bars with a whole window that the encoder's purged split needs, with a little room."""
    encoder = settings.encoder
    purged = encoder.window + encoder.horizons[-1] + encoder.embargo_bars
    return int((purged + 80) / (1.0 - encoder.validation_fraction)) + 1


def _stages(plan: _Plan) -> list[StageWork]:
    profile, names = plan.profile, _fold_names(plan)
    stages = []
    for name in [*names, *(["all"] if profile.bundle == "retrain" else [])]:
        stages.append(StageWork(f"{name}: encoder", profile.encoder_steps / _ENCODER_STEPS_PER_S + 10))
        for number in range(profile.seeds):
            stages.append(StageWork(_policy_stage(name, number, profile), profile.policy_steps / _POLICY_STEPS_PER_S))
        if name in names:
            stages.append(StageWork(f"{name}: out of sample", 10.0))
    return [*stages, StageWork("evidence", 8.0), StageWork("bundle", 40.0), StageWork("report", 4.0)]


def _fold_names(plan: _Plan) -> list[str]:
    count = plan.profile.folds
    return [f"fold {number + 1} of {count}" for number in range(count)]


def _policy_stage(name: str, number: int, profile: RunProfile) -> str:
    return f"{name}: policy" + (f" {number + 1} of {profile.seeds}" if profile.seeds > 1 else "")


def _walk(
    plan: _Plan, store: RunStore, progress: RunProgress
) -> tuple[list[RunRows], list[FoldFacts], FoldEncoder, PolicyNetwork]:
    """Every fold in turn; at the end the models for the bundle."""
    rows: list[RunRows] = []
    facts: list[FoldFacts] = []
    money = {market.bars.symbol: plan.initial_equity for market in plan.markets}
    for number, name in enumerate(_fold_names(plan), start=1):
        own = [folds[number - 1] for folds in plan.folds]
        encoder, policy, facts_of_fold = _train(plan, store, progress, name, str(number), own)
        done = store.load_rows(str(number))
        if done is None:
            with progress.stage(f"{name}: out of sample"):
                done = _trade(plan, number, own, encoder, policy, money, progress)
            store.save_rows(str(number), done)
            store.add_seconds(progress.seconds)
        else:
            progress.skip(f"{name}: out of sample")
        rows.append(done)
        facts.append(facts_of_fold)
        for symbol in money:
            book = done.equity.filter(done.equity["symbol"] == symbol)
            money[symbol] = float(book["equity"][-1])
    if plan.profile.bundle == "retrain":
        everything = [
            Fold(folds[0].train_lo, len(market.bars), len(market.bars), len(market.bars))
            for market, folds in zip(plan.markets, plan.folds, strict=True)
        ]
        encoder, policy, _ = _train(plan, store, progress, "all", "all", everything)
    return rows, facts, encoder, policy


def _train(
    plan: _Plan, store: RunStore, progress: RunProgress, name: str, key: str, folds: Sequence[Fold]
) -> tuple[FoldEncoder, PolicyNetwork, FoldFacts]:
    """Encoder and policy of one fold, from its training bars alone; what is on disk is not done again.

    Policies of several seeds trade as one, by the mean of their answers; none is picked.
    """
    stops = [fold.train_hi for fold in folds]
    encoder = store.load_encoder(key, plan.settings.encoder)
    if encoder is None:
        with progress.stage(f"{name}: encoder"):
            seed = spawn_seed(plan.request.seed, f"encoder {key}")
            encoder = fit_encoder(plan.markets, folds, plan.settings, plan.profile.encoder_steps, seed, progress.update)
        store.save_encoder(key, encoder)
        store.add_seconds(progress.seconds)
    else:
        progress.skip(f"{name}: encoder")

    policies: list[PolicyNetwork] = []
    policy_facts: list[Mapping[str, float]] = []
    tapes: list[MarketTape] | None = None
    for number in range(plan.profile.seeds):
        label = _policy_stage(name, number, plan.profile)
        stored = store.load_policy(key, number)
        if stored is None:
            with progress.stage(label):
                if tapes is None:
                    tapes = make_tapes(plan.markets, stops, encoder)
                checkpoints = store.folder(key) / f"policy_{number}_unfinished"
                stored = _train_one(plan, tapes, folds, f"policy {key} {number}", checkpoints, progress)
            store.save_policy(key, number, *stored)
            shutil.rmtree(checkpoints, ignore_errors=True)
            store.add_seconds(progress.seconds)
        else:
            progress.skip(label)
        policies.append(stored[0])
        policy_facts.append(stored[1])
    return encoder, ensemble_network(policies), FoldFacts(encoder.pretrained.scores, tuple(policy_facts))


def _train_one(
    plan: _Plan,
    tapes: Sequence[MarketTape],
    folds: Sequence[Fold],
    stream: str,
    checkpoints: Path,
    progress: RunProgress,
) -> tuple[PolicyNetwork, dict[str, float]]:
    """One policy, chosen on a block at the end of its training bars that it is not trained on."""
    train, validation = [], []
    for index, fold in enumerate(folds):
        first = max(fold.train_lo, plan.markets[index].first_decision)
        split = fold.train_hi - int((fold.train_hi - first) * _VALIDATION_FRAC)
        purged = plan.settings.encoder.horizons[-1] + plan.settings.backtest.embargo_bars
        if split - 1 - purged <= first:
            raise DataError(
                f"{plan.markets[index].path}: {split - first:,} bars to train a policy on and {purged:,} purged leave "
                "none; give more bars or a smaller embargo_bars"
            )
        train.append(Span(index, first, split - 1 - purged))
        validation.append(Span(index, split, fold.train_hi - 1))

    def on_update(step: int, total: int, stats: Mapping[str, float]) -> None:
        reward, drawdown = stats.get("reward", float("nan")), stats.get("drawdown", float("nan"))
        progress.update(step / total, f"reward {reward:+.4f}, drawdown {drawdown:.1%}")

    trained = train_policy(
        tapes,
        train,
        validation,
        plan.settings.rl_policy,
        plan.profile.policy_steps,
        spawn_seed(plan.request.seed, stream),
        plan.initial_equity,
        on_update,
        checkpoints,
    )
    assert trained.best is not None, "there is a validation block"
    network = trained.network
    # Training bars in pieces as long as the validation block: they are scored side by side.
    length = max(span.last - span.first for span in validation)
    pieces = [
        Span(span.tape, first, min(first + length, span.last))
        for span in train
        for first in range(span.first, span.last, length)
    ]
    on_train = score_policy(tapes, pieces, TorchPolicy(network), plan.initial_equity)
    facts = {
        "steps": float(trained.model.num_timesteps),
        "best_step": float(trained.best.step),
        "train_sharpe_per_bar": on_train.sharpe_per_bar,
        "validation_sharpe_per_bar": trained.best.score.sharpe_per_bar,
    }
    return network, facts


def _trade(
    plan: _Plan,
    number: int,
    folds: Sequence[Fold],
    encoder: FoldEncoder,
    policy: PolicyNetwork,
    money: Mapping[str, float],
    progress: RunProgress,
) -> RunRows:
    """The fold's test bars, traded by the shared decision path."""
    whole = make_tapes(plan.markets, [fold.test_hi for fold in folds], encoder)
    tapes = [tape.slice(fold.test_lo, fold.test_hi) for tape, fold in zip(whole, folds, strict=True)]
    longest = max(tape.bars.size for tape in tapes)
    result = replay(
        tapes,
        TorchPolicy(policy),
        [money[tape.symbol] for tape in tapes],
        lambda done: progress.update(done / longest),
    )
    # A market row ends with the probabilities of the regimes.
    regimes = {tape.symbol: tape.market_rows[:, -REGIMES:].astype(float) for tape in tapes}
    return fold_rows(number, result, regimes)
