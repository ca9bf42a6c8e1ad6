"""How large a fold's policy may trade: by what it is proven to earn on bars that it was not trained on."""

from collections.abc import Sequence
from dataclasses import replace

from agv2.app.fold_training import Report
from agv2.app.policy_fitting import policy_spans
from agv2.app.run_plan import RunPlan
from agv2.backtest.held_returns import held_returns
from agv2.backtest.replay import replay
from agv2.backtest.tape import MarketTape
from agv2.backtest.walk_forward import Fold
from agv2.models.policy import PolicyNetwork
from agv2.risk.kelly import EdgeEstimate, estimate_edge, with_evidence
from agv2.rl.policy_adapter import TorchPolicy

__all__ = ["fold_edge", "sized", "sizing_note"]


def fold_edge(
    plan: RunPlan, tapes: Sequence[MarketTape], folds: Sequence[Fold], policy: PolicyNetwork, report: Report
) -> EdgeEstimate:
    """The policy's edge on the block at the end of the training bars that chose its weights, traded at full size.

    Args:
        plan: the run.
        tapes: the markets up to the end of their training bars, as the policy was chosen by.
        folds: of each market.
        policy: what will trade the test bars.
        report: progress.
    """
    _, validation = policy_spans(plan, folds)
    blocks = [tapes[span.tape].slice(span.first, span.last + 1) for span in validation]
    longest = max(block.bars.size for block in blocks)
    money = [plan.initial_equity] * len(blocks)
    result = replay(blocks, TorchPolicy(policy), money, lambda done: report(done / longest, ""))
    return estimate_edge(held_returns(result, blocks))


def sized(tapes: Sequence[MarketTape], edge: EdgeEstimate | None, kelly_fraction: float) -> list[MarketTape]:
    """The markets with the limits under which a policy of this edge trades them in simulation.

    Args:
        tapes: with limits at full size.
        edge: of the policy; None: none was estimated.
        kelly_fraction: as in `config/risk.yaml`.
    """
    return [replace(tape, params=with_evidence(tape.params, edge, kelly_fraction)) for tape in tapes]


def sizing_note(name: str, edge: EdgeEstimate, kelly_fraction: float) -> str:
    """One line on what a policy's size rests on.

    Args:
        name: of the fold.
        edge: of its policy.
        kelly_fraction: share of the Kelly size that is the cap.
    """
    low, high = edge.interval
    found = (
        f"{name}: on its validation block the policy earned {edge.mean:+.4f} volatilities a bar on what it held "
        f"(95 %: {low:+.4f} to {high:+.4f}, {edge.n_bars:,} bars held); "
    )
    if edge.is_disproven:
        return found + "it loses: nothing is opened"
    if not edge.is_proven:
        return found + "no edge is proven: a quarter of the size"
    cap = kelly_fraction * edge.kelly_volatility
    return found + f"{kelly_fraction:g} of the Kelly size caps a position at a volatility of {cap:.3%} of equity a bar"
