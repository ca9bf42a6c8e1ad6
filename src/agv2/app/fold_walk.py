"""The folds of a run, one after the other: fit on the past, trade what follows."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from agv2.app.embedding_cache import EmbeddingCache
from agv2.app.fold_training import FoldEncoder, fit_encoder, make_tapes, observation_layout, one_pass_deviation
from agv2.app.progress import RunProgress, StageWork
from agv2.app.run_plan import RunPlan
from agv2.app.run_store import RunStore
from agv2.app.training_tracking import tracked_training
from agv2.backtest.config import RunProfile
from agv2.backtest.replay import replay
from agv2.backtest.run_files import RunRows
from agv2.backtest.stitching import fold_rows
from agv2.backtest.tape import MarketTape
from agv2.backtest.walk_forward import Fold
from agv2.core.errors import DataError
from agv2.models.head_scores import HeadScore
from agv2.models.policy import PolicyNetwork
from agv2.rl.episodes import Span
from agv2.rl.policy_adapter import TorchPolicy, ensemble_network
from agv2.rl.training import train_policy
from agv2.rl.validation import score_policy
from agv2.utils.environment import load_environment
from agv2.utils.seeding import spawn_seed

__all__ = ["FoldFacts", "Walked", "stages_of", "walk"]

_ENCODER_STEPS_PER_S, _POLICY_STEPS_PER_S = 8.0, 30_000.0  # only to lay out the progress bar
_VALIDATION_FRAC = 0.15


@dataclass(frozen=True, slots=True)
class FoldFacts:
    """What the training of one fold said about itself."""

    heads: tuple[HeadScore, ...]
    policies: tuple[Mapping[str, float], ...]
    """Of each seed: steps, best_step, and the per-bar Sharpe ratio on training and validation bars."""


class Walked(NamedTuple):
    """What all folds left."""

    rows: list[RunRows]
    """Each fold's tables."""
    facts: list[FoldFacts]
    encoder: FoldEncoder
    """For the bundle."""
    policy: PolicyNetwork
    """For the bundle."""


def walk(plan: RunPlan, store: RunStore, progress: RunProgress) -> Walked:
    """Train and trade every fold in turn; at the end there are the models for the bundle.

    Args:
        plan: the run.
        store: finished stages are read from it and written to it.
        progress: stages `fold K of N: ...`.
    """
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
    return Walked(rows, facts, encoder, policy)


def stages_of(plan: RunPlan) -> list[StageWork]:
    """Every stage of the run in order, with its weight for the progress bar."""
    profile, names = plan.profile, _fold_names(plan)
    stages = []
    for name in [*names, *(["all"] if profile.bundle == "retrain" else [])]:
        stages.append(StageWork(f"{name}: encoder", profile.encoder_steps / _ENCODER_STEPS_PER_S + 10))
        for number in range(profile.seeds):
            stages.append(StageWork(_policy_stage(name, number, profile), profile.policy_steps / _POLICY_STEPS_PER_S))
        if name in names:
            stages.append(StageWork(f"{name}: out of sample", 10.0))
    return [*stages, StageWork("evidence", 8.0), StageWork("bundle", 40.0), StageWork("report", 4.0)]


def _fold_names(plan: RunPlan) -> list[str]:
    count = plan.profile.folds
    return [f"fold {number + 1} of {count}" for number in range(count)]


def _policy_stage(name: str, number: int, profile: RunProfile) -> str:
    return f"{name}: policy" + (f" {number + 1} of {profile.seeds}" if profile.seeds > 1 else "")


def _train(
    plan: RunPlan, store: RunStore, progress: RunProgress, name: str, key: str, folds: Sequence[Fold]
) -> tuple[FoldEncoder, PolicyNetwork, FoldFacts]:
    """Encoder and policy of one fold, from its training bars alone; what is on disk is not done again.

    Policies of several seeds trade as one, by the mean of their answers; none is picked.
    """
    stops = [fold.train_hi for fold in folds]
    encoder = store.load_encoder(key, plan.settings.encoder)
    if encoder is None:
        with progress.stage(f"{name}: encoder"):
            seed = spawn_seed(plan.request.seed, f"encoder {key}")
            steps, unfinished = plan.profile.encoder_steps, store.folder(key) / "encoder_unfinished"
            costly = plan.profile.costly_baselines
            with tracked_training(plan.tracker, f"{name}: encoder", _told(plan, seed), progress.note) as tracked:
                encoder = fit_encoder(
                    plan.markets, folds, plan.settings, steps, seed, progress.update, unfinished, tracked,
                    costly_baselines=costly,
                )  # fmt: skip
            _log_deviation(plan, stops, encoder, seed)
        store.save_encoder(key, encoder)
        shutil.rmtree(unfinished, ignore_errors=True)
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
                    tapes = _tapes(plan, stops, encoder, progress)
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


def _told(plan: RunPlan, seed: int) -> dict[str, Any]:
    """What a tracking server is told that an encoder's training depends on."""
    return {
        "symbols": ", ".join(market.bars.symbol for market in plan.markets),
        "timeframe": plan.markets[0].bars.timeframe.name,
        "trial": plan.trial._asdict(),
        "encoder_seed": seed,
        "encoder_steps": plan.profile.encoder_steps,
        "encoder": plan.settings.encoder.in_effect.model_dump(mode="json"),
    }


def _tapes(plan: RunPlan, stops: Sequence[int], encoder: FoldEncoder, progress: RunProgress) -> list[MarketTape]:
    environment = load_environment()
    cache = EmbeddingCache(environment.embedding_cache, environment.embedding_cache_bytes, progress.note)
    return make_tapes(plan.markets, stops, encoder, cache)


def _log_deviation(plan: RunPlan, stops: Sequence[int], encoder: FoldEncoder, seed: int) -> None:
    """What it costs in exactness that a backbone cannot embed a history both exactly and quickly."""
    if plan.settings.encoder.exact_in_one_pass:
        return
    for market, stop in zip(plan.markets, stops, strict=True):
        found = one_pass_deviation(market, stop, encoder, seed)
        structlog.get_logger().info("one pass against windows", symbol=market.bars.symbol, **found._asdict())


def _train_one(
    plan: RunPlan,
    tapes: Sequence[MarketTape],
    folds: Sequence[Fold],
    stream: str,
    checkpoints: Path,
    progress: RunProgress,
) -> tuple[PolicyNetwork, dict[str, float]]:
    """One policy, chosen on a block at the end of its training bars that it is not trained on."""
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
    plan: RunPlan,
    number: int,
    folds: Sequence[Fold],
    encoder: FoldEncoder,
    policy: PolicyNetwork,
    money: Mapping[str, float],
    progress: RunProgress,
) -> RunRows:
    """The fold's test bars, traded by the shared decision path."""
    whole = _tapes(plan, [fold.test_hi for fold in folds], encoder, progress)
    tapes = [tape.slice(fold.test_lo, fold.test_hi) for tape, fold in zip(whole, folds, strict=True)]
    longest = max(tape.bars.size for tape in tapes)
    result = replay(
        tapes,
        TorchPolicy(policy),
        [money[tape.symbol] for tape in tapes],
        lambda done: progress.update(done / longest),
    )
    first, stop = observation_layout(plan.settings.encoder).slices()["regime"]
    regimes = {tape.symbol: tape.market_rows[:, first:stop].astype(float) for tape in tapes}
    return fold_rows(number, result, regimes)
