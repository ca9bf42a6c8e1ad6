"""The markets of a fold as its encoder sees them: bars that train policies, and bars that nobody was trained on."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from agv2.app.cross_fitting import cross_fitted_outputs
from agv2.app.embedding_cache import EmbeddingCache
from agv2.app.erasure import erased_tape
from agv2.app.fold_training import FoldEncoder, Report, make_tapes, market_outputs, observation_layout
from agv2.app.run_plan import RunPlan
from agv2.backtest.replay import ReplayResult, replay
from agv2.backtest.run_files import RunRows
from agv2.backtest.stitching import fold_rows
from agv2.backtest.tape import MarketTape
from agv2.backtest.walk_forward import Fold
from agv2.models.policy import PolicyNetwork
from agv2.rl.policy_adapter import TorchPolicy
from agv2.utils.environment import load_environment

__all__ = ["TradedFold", "as_policy_sees", "policy_tapes", "traded_fold", "traded_rows", "unseen_tapes"]


class TradedFold(NamedTuple):
    """What trading a fold's test bars left."""

    rows: RunRows
    """Its tables."""
    result: ReplayResult
    """Every decision with what it saw."""


def policy_tapes(
    plan: RunPlan,
    folds: Sequence[Fold],
    encoder: FoldEncoder,
    others: Sequence[FoldEncoder],
    tell: Callable[[str], None],
) -> list[MarketTape]:
    """What policies are trained on and chosen by: the fold's embeddings, predictions of encoders of other blocks.

    Args:
        plan: the run.
        folds: of each market.
        encoder: of the fold.
        others: one a block, as `cross_fit_stage` gives them.
        tell: told of trouble with the disk.
    """
    blocks = plan.blocks_of(folds)
    cache = _embedding_cache(tell)
    outputs = cross_fitted_outputs(plan.markets, folds, encoder, blocks, others, cache, one_level=True)
    tapes = [
        market.tape(fold.train_hi, said.rows()) for market, fold, said in zip(plan.markets, folds, outputs, strict=True)
    ]
    return as_policy_sees(plan, folds, encoder, tapes, tell)


def unseen_tapes(
    plan: RunPlan, folds: Sequence[Fold], encoder: FoldEncoder, tell: Callable[[str], None]
) -> list[MarketTape]:
    """The fold's test bars.

    Args:
        plan: the run.
        folds: of each market.
        encoder: of the fold.
        tell: told of trouble with the disk.
    """
    whole = make_tapes(plan.markets, [fold.test_hi for fold in folds], encoder, _embedding_cache(tell))
    tests = [tape.slice(fold.test_lo, fold.test_hi) for tape, fold in zip(whole, folds, strict=True)]
    return as_policy_sees(plan, folds, encoder, tests, tell)


def as_policy_sees(
    plan: RunPlan,
    folds: Sequence[Fold],
    encoder: FoldEncoder,
    tapes: Sequence[MarketTape],
    tell: Callable[[str], None],
) -> list[MarketTape]:
    """The markets without what the plan erases from the policy's input; for all runs but ablations, as they are.

    Args:
        plan: the run.
        folds: of each market.
        encoder: of the fold, whose usual answers on training bars stand in for what is erased.
        tapes: of each market.
        tell: told of trouble with the disk.
    """
    if not plan.erased.inputs:
        return list(tapes)
    cache = _embedding_cache(tell)
    taught = [
        market_outputs(market, fold.train_hi, encoder, cache).rows()[fold.train_lo :]
        for market, fold in zip(plan.markets, folds, strict=True)
    ]
    usual = np.concatenate(taught).mean(axis=0, dtype=np.float64).astype(np.float32)
    layout = observation_layout(plan.settings.encoder)
    return [erased_tape(tape, plan.erased.inputs, layout, usual) for tape in tapes]


def traded_fold(
    plan: RunPlan,
    number: int,
    tapes: Sequence[MarketTape],
    policy: PolicyNetwork,
    money: Mapping[str, float],
    report: Report,
) -> TradedFold:
    """A fold's test bars, traded by the shared decision path.

    Args:
        plan: the run.
        number: of the fold.
        tapes: from `unseen_tapes`.
        policy: trades them.
        money: of each symbol's book at its first bar.
        report: told how far it is.
    """
    longest = max(tape.bars.size for tape in tapes)
    result = replay(
        tapes, TorchPolicy(policy), [money[tape.symbol] for tape in tapes], lambda done: report(done / longest, "")
    )
    first, stop = observation_layout(plan.settings.encoder).slices()["regime"]
    regimes = {tape.symbol: tape.market_rows[:, first:stop].astype(float) for tape in tapes}
    return TradedFold(fold_rows(number, result, regimes), result)


def traded_rows(
    plan: RunPlan,
    number: int,
    tapes: Sequence[MarketTape],
    policy: PolicyNetwork,
    money: Mapping[str, float],
    report: Report,
) -> RunRows:
    """The tables of `traded_fold` alone."""
    return traded_fold(plan, number, tapes, policy, money, report).rows


def _embedding_cache(tell: Callable[[str], None]) -> EmbeddingCache:
    environment = load_environment()
    return EmbeddingCache(environment.embedding_cache, environment.embedding_cache_bytes, tell)
