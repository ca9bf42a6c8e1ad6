"""What the entries of a fold came from, stored with the run."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from agv2.app.fold_training import FoldEncoder, Report
from agv2.app.market_preparation import PreparedMarket
from agv2.app.run_plan import RunPlan
from agv2.app.training_tracking import tracked_training
from agv2.backtest.attribution import integrated_gradients
from agv2.backtest.erasure import grouped_erasure
from agv2.backtest.replay import ReplayResult
from agv2.backtest.run_files import RunRows
from agv2.backtest.saliency import EntrySaliency, saliency_frame
from agv2.backtest.saliency_summary import summarise_saliency
from agv2.backtest.trades import round_trips
from agv2.backtest.walk_forward import Fold
from agv2.core.arrays import Float32Array
from agv2.decision.action_mask import PERMISSION_FIELDS
from agv2.decision.actions import ACTION_NVEC, decode_action
from agv2.decision.decider import Decision
from agv2.decision.observation import BOOK_FIELDS
from agv2.features.families import FAMILIES, family_masks
from agv2.models.policy import PolicyNetwork
from agv2.models.side_odds import SideOdds
from agv2.models.threads import torch_threads

__all__ = ["STATE_FIELDS", "decision_inputs", "fold_saliency", "side_odds", "tell_saliency"]

STATE_FIELDS: tuple[str, ...] = BOOK_FIELDS[: -len(PERMISSION_FIELDS)]
"""What a policy reads of its book, in order."""

_MOST_ENTRIES = 100
"""Of a fold whose decisions read the whole window, evenly spread: each costs a quarter of a second. Where they read
the last bar alone an entry costs hundredths, and all are taken. `agv2 explain` explains any trade."""


class DecisionInputs(NamedTuple):
    """What a decision was made from."""

    window: Float32Array
    """(window, n_features) normalised."""
    state: Float32Array
    """(len(STATE_FIELDS),) of the book."""


def fold_saliency(
    plan: RunPlan,
    number: int,
    folds: Sequence[Fold],
    encoder: FoldEncoder,
    policy: PolicyNetwork,
    rows: RunRows,
    result: ReplayResult,
    report: Report,
) -> pl.DataFrame:
    """Integrated gradients and grouped erasure of a fold's entries, those of completed trades.

    Args:
        plan: the run.
        number: of the fold.
        folds: of each market.
        encoder: of the fold.
        policy: what traded it.
        rows: its account.
        result: the replay that the account is from.
        report: told how far it is.
    """
    opened = {(trade.symbol, trade.decided_ns) for trade in round_trips(rows)}
    entries = [one for one in result.decisions if (one[0], one[2].ts_ns) in opened and one[2].action.side != 0]
    markets = {market.bars.symbol: (market, fold) for market, fold in zip(plan.markets, folds, strict=True)}
    families = family_masks(plan.markets[0].features.columns)
    if len(entries) > _MOST_ENTRIES and side_odds(plan.markets[0], encoder, policy, 1).reads_window:
        entries = [entries[i] for i in np.linspace(0, len(entries) - 1, _MOST_ENTRIES).round().astype(int)]
    found = []
    for done, (symbol, index, decision) in enumerate(entries):
        market, fold = markets[symbol]
        odds = side_odds(market, encoder, policy, decision.action.side)
        inputs = decision_inputs(market, encoder, fold.test_lo + index, decision)
        with torch_threads(1):
            shares = integrated_gradients(odds, *inputs)
            erased = grouped_erasure(odds.of, *inputs, families)
        found.append(EntrySaliency(number, symbol, decision.ts_ns, decision.action.side, shares, erased))
        report((done + 1) / len(entries), f"{done + 1} of {len(entries)} entries")
    return saliency_frame(
        found, plan.markets[0].features.names, STATE_FIELDS, FAMILIES, encoder.pretrained.config.window
    )


def tell_saliency(plan: RunPlan, name: str, saliency: pl.DataFrame, path: Path, tell: Callable[[str], None]) -> None:
    """Tell the tracking server, where there is one, what a fold's entries came from.

    Args:
        plan: the run.
        name: of the stage.
        saliency: from `fold_saliency`.
        path: where that is stored.
        tell: told once if the server cannot be told.
    """
    found = summarise_saliency(saliency)
    if plan.tracker is None or found is None:
        return
    symbols = ", ".join(market.bars.symbol for market in plan.markets)
    with tracked_training(plan.tracker, name, {"symbols": symbols, "trial": plan.trial._asdict()}, tell) as tracked:
        if tracked is not None:
            shares = {f"share/{group}": share for group, share in found.shares.items()}
            erased = {f"erased/{group}": fall for group, fall in found.erased.items()}
            whole = {"entries": float(found.n_entries), "gap": found.gap, "last_bar": found.last_bar}
            known = {"agreement": found.agreement} if math.isfinite(found.agreement) else {}
            tracked.facts({**shares, **erased, **whole, **known}, 0)
            tracked.file(path)


def side_odds(market: PreparedMarket, encoder: FoldEncoder, policy: PolicyNetwork, side: int) -> SideOdds:
    """Log-odds of a side against flat in a market."""
    sides = [decode_action(position, 0, 0, 0).side for position in range(ACTION_NVEC[0])]
    return SideOdds(encoder.pretrained, policy, sides.index(side), market.asset_class)


def decision_inputs(market: PreparedMarket, encoder: FoldEncoder, bar: int, decision: Decision) -> DecisionInputs:
    """The window that ends with a bar, and the state of the book at its close.

    Args:
        market: of the decision.
        encoder: of its fold.
        bar: index of the decision's bar among the market's.
        decision: at its close.
    """
    first = bar + 1 - encoder.pretrained.config.window
    window = encoder.normalizer.transform(market.features.values[first : bar + 1])
    return DecisionInputs(window, decision.observation[-len(BOOK_FIELDS) : -len(PERMISSION_FIELDS)].copy())
