"""What an explanation says in sentences and rows, for the page and for the terminal."""

from dataclasses import dataclass

import numpy as np

from agv2.app.explanation import Explanation
from agv2.backtest.report.numerals import Unit, format_number
from agv2.backtest.report.words import in_words
from agv2.backtest.saliency_summary import rank_agreement
from agv2.core.arrays import FloatArray
from agv2.decision.actions import ACTION_NVEC, decode_action
from agv2.decision.planner import PlanReason
from agv2.risk.stop_logic import initial_stop, initial_target

__all__ = ["Choice", "Compared", "choices", "headline", "mattered", "risk_rows", "risk_sentences", "signed", "trust"]

_SIDES = {1: "long", -1: "short", 0: "flat"}
_REASONS = {
    PlanReason.AS_WISHED: "The size is the one that was wished for.",
    PlanReason.SIZE_CAPPED: "Less size than wished: exposure of the account, or the venue's leverage, is capped.",
    PlanReason.KELLY_CAPPED: "Less size than wished: the proven edge warrants no more (Kelly cap).",
    PlanReason.NO_EDGE: "Less size than wished: on its validation block the policy proved no edge.",
    PlanReason.RAMPED: "Less size than permitted: a ramp lets live trading grow by steps.",
}


@dataclass(frozen=True, slots=True)
class Compared:
    """A group of inputs, judged in two ways; both are log-odds, positive where they speak for the entry."""

    name: str
    share: float
    erased: float


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of the policy: its options with their probabilities, and which was taken."""

    name: str
    options: tuple[tuple[str, float, bool], ...]


def headline(explained: Explanation) -> tuple[str, str]:
    """What the trade was, and what spoke for it."""
    trade = explained.trade
    did = "Bought" if trade.side > 0 else "Sold short"
    units = format_number(trade.units, Unit.RATIO)
    told = (
        f"{did} {units} {trade.symbol} at {format_number(trade.entry_price, Unit.PRICE)}, "
        f"out at {format_number(trade.exit_price, Unit.PRICE)} ({in_words(trade.exit_reason)})"
    )
    groups = sorted(mattered(explained), key=lambda one: -one.share)
    total = sum(abs(one.share) for one in groups) or 1.0
    speaking = [f"{one.name} ({one.share / total:.0%})" for one in groups[:2] if one.share > 0.0]
    against = [f"{one.name} ({-one.share / total:.0%})" for one in groups[-1:] if one.share < -0.02 * total]
    why = f"For it spoke {' and '.join(speaking) or 'nothing in particular'}"
    return told, why + (f"; against it {against[0]}" if against else "") + ", of all that moved the odds."


def mattered(explained: Explanation) -> list[Compared]:
    """Kinds of features and the book's state: what gradients and what erasure say of each."""
    shares, erased = explained.family_shares, explained.erased
    found = [Compared(name, shares[name], erased.by_family[name]) for name in shares]
    return [*found, Compared("state of the book", float(explained.attribution.state.sum()), erased.state)]


def choices(explained: Explanation) -> list[Choice]:
    """Position, size, stop and target with the probability of each option."""
    taken = [int(block.argmax()) for block in explained.choices]
    found = []
    for place, (name, count) in enumerate(zip(("position", "size", "stop", "target"), ACTION_NVEC, strict=True)):
        options = []
        for index in range(count):
            action = decode_action(*(index if place == other else 0 for other in range(len(ACTION_NVEC))))
            label = (
                _SIDES[action.side],
                format_number(action.size_frac, Unit.PERCENT),
                f"{action.stop_units:g} units",
                f"{action.target_units / action.stop_units:g} × the stop",
            )[place]
            options.append((label, float(explained.choices[place][index]), index == taken[place]))
        found.append(Choice(name, tuple(options)))
    return found


def risk_rows(explained: Explanation) -> list[tuple[str, str, str, bool]]:
    """What, wished, permitted, and whether they differ."""
    decision, market = explained.remade.decision, explained.remade.market
    action, plan = decision.action, decision.plan
    held = _units_before(explained)
    wished, permitted = plan.before_units + held, plan.after_units + held
    stop, target = _wished_prices(explained)
    tick = market.instrument.market.tick_size or 1e-9 * stop

    lots = _lot_units(explained)
    numbers = [
        ("units", abs(wished), abs(permitted), Unit.RATIO, abs(wished) - abs(permitted) > lots),
        ("stop", stop, plan.stop_loss, Unit.PRICE, abs(stop - plan.stop_loss) > 0.5 * tick),
        ("target", target, plan.take_profit, Unit.PRICE, abs(target - plan.take_profit) > 0.5 * tick),
    ]
    return [
        ("side", _SIDES[action.side], _SIDES[plan.side], action.side != plan.side),
        *((name, format_number(one, unit), format_number(other, unit), differs)
          for name, one, other, unit, differs in numbers),
    ]  # fmt: skip


def risk_sentences(explained: Explanation) -> list[str]:
    """Why permitted and wished differ, and what became of the stop afterwards."""
    decision, remade = explained.remade.decision, explained.remade
    plan, close = decision.plan, float(remade.market.bars.close[remade.bar])
    sigma = float(remade.market.features.sigma[remade.bar])
    reason = PlanReason(plan.reason)
    found = [_REASONS.get(reason, f"The risk layer says {reason.name.lower()}.")]
    rows = {name: differs for name, _, _, differs in risk_rows(explained)}
    if reason is PlanReason.AS_WISHED and plan.before_units != plan.after_units:
        found = ["The size is the one that was wished for, rounded down to whole lots."]
    if rows["stop"]:
        units = abs(close - plan.stop_loss) / (sigma * close)
        level = "support below" if plan.side > 0 else "resistance above"
        margin = remade.tape.params.level_stop_margin_units
        found.append(
            f"The stop was moved out from {decision.action.stop_units:g} to {units:.2f} volatility units, "
            f"{margin:g} beyond the nearest {level}: price turns there more often than elsewhere. The target moved "
            "with it."
        )
    moves = _stop_moves(explained)
    if len(moves) > 1:
        found.append(
            f"While the trade was open its stop moved {len(moves) - 1} times, "
            f"from {format_number(moves[0], Unit.PRICE)} to {format_number(moves[-1], Unit.PRICE)}."
        )
    if explained.trade.exit_reason == "risk":
        found.append("A limit of the account ended the trade.")
    return found


def trust(explained: Explanation) -> list[str]:
    """How far the numbers hold together."""
    shares = explained.attribution
    explained_odds = shares.log_odds - shares.baseline
    groups = mattered(explained)
    agreement = rank_agreement(np.array([one.share for one in groups]), np.array([one.erased for one in groups]))
    said = f"{agreement:+.2f}" if np.isfinite(agreement) else "not defined"
    return [
        f"Log-odds against flat: {signed(shares.log_odds)}; of an average bar and a flat book "
        f"{signed(shares.baseline)}. "
        f"The shares sum to the difference, {signed(explained_odds)}, but for {abs(shares.gap):.3f}.",
        f"Rank agreement of gradients and erasure over the {len(groups)} groups: {said} (1: the same order). They need "
        "not agree: erasing one of two inputs that say the same changes little.",
        "This explains the network, not the market: it says what the decision came from, not whether that was right.",
    ]


def signed(value: float) -> str:
    """A number of log-odds with its sign."""
    return f"{value:+.3f}".replace("-", "\u2212")


def _lot_units(explained: Explanation) -> float:
    """Base units of the smallest change of a position."""
    market = explained.remade.market.instrument.market
    return float(market.lot_step * market.contract_size)


def _units_before(explained: Explanation) -> float:
    """Units that the book held at the decision's close."""
    trade, rows = explained.trade, explained.record.rows.equity
    book = rows.filter(symbol=trade.symbol, fold=trade.fold)
    at = book["ts"].dt.epoch("ns").to_numpy() == trade.decided_ns
    return float(book["units"].to_numpy()[at][0])


def _wished_prices(explained: Explanation) -> tuple[float, float]:
    """Stop and target as the policy chose them, before levels were looked at."""
    remade = explained.remade
    action, tick = remade.decision.action, remade.market.instrument.market.tick_size
    close, sigma = float(remade.market.bars.close[remade.bar]), float(remade.market.features.sigma[remade.bar])
    stop = initial_stop(action.side, close, sigma, action.stop_units, tick)
    return stop, initial_target(action.side, close, sigma, action.target_units, tick)


def _stop_moves(explained: Explanation) -> FloatArray:
    """Stops that were in force during the trade, each once, in order."""
    trade = explained.trade
    rows = explained.record.rows.decisions.filter(symbol=trade.symbol, fold=trade.fold)
    decided = rows["ts"].dt.epoch("ns").to_numpy()
    inside = (decided >= trade.decided_ns) & (decided < trade.closed_ns) & (rows["position"].to_numpy() == trade.side)
    stops: FloatArray = rows["stop"].to_numpy()[inside]
    return stops[np.concatenate([[True], np.diff(stops) != 0.0])] if stops.size else stops
