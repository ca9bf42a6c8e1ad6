"""What the numbers say, in plain sentences, losses first of all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agv2.backtest.report.numerals import Unit, format_number, format_stamp
from agv2.backtest.report.reading import RunRecord
from agv2.backtest.report.words import in_words

__all__ = ["CostFindings", "cost_findings", "result_sentence"]

_COST_NAMES = ("spread", "slippage", "commission", "financing")


@dataclass(frozen=True, slots=True)
class CostLine:
    """One step from the gross to the net result; `left` and `wide` place its bar, per cent of the scale."""

    label: str
    money: str
    share: str
    per_notional: str
    left: float
    wide: float
    style: str


@dataclass(frozen=True, slots=True)
class CostFindings:
    """The way from gross to net, and what it means."""

    lines: tuple[CostLine, ...]
    zero: float
    sentence: str
    caveat: str


def result_sentence(record: RunRecord) -> str:
    """What became of the account, beside buy and hold, in one or two sentences."""
    curve = record.curve(record.account)
    stamps = curve["ts"].dt.epoch("ns").to_list()
    first, last = curve["equity"][0], curve["equity"][-1]
    days = (stamps[-1] - stamps[0]) / 86_400e9
    net = last / first - 1.0
    moved = format_number(abs(net), Unit.PERCENT)
    outcome = f"a loss of {moved}" if net < 0 else f"a gain of {moved}" if net > 0 else "no change"
    span = f"{format_stamp(stamps[0], time=False)} to {format_stamp(stamps[-1], time=False)}"
    text = (
        f"Out of sample, {span} ({format_number(round(days), Unit.COUNT)} days), the account went from "
        f"{format_number(first, Unit.MONEY)} to {format_number(last, Unit.MONEY)}: {outcome} after costs."
    )
    held = record.summary["baselines"].get("buy_and_hold", {}).get("net_return")
    if held is None:
        return text
    other = format_number(abs(held), Unit.PERCENT)
    return f"{text} Buy and hold {'lost' if held < 0 else 'gained'} {other} over the same bars."


def cost_findings(record: RunRecord) -> CostFindings | None:
    """Costs from `folds/report/costs.json`, or recomputed from the fills when that is missing; None without a trade."""
    if record.rows.fills.is_empty():
        return None
    costs = record.costs if record.costs is not None else _costs_from_fills(record)
    named = {name: float(costs[name]) for name in _COST_NAMES if costs.get(name) is not None}
    gross, notional = float(costs["gross_pnl"]), float(costs["notional_traded"])
    net = gross - sum(named.values())
    steps = [("Gross result", 0.0, gross, "gross")]
    level = gross
    for name, cost in named.items():
        label = "Spread and slippage" if name == "spread" and "slippage" not in named else in_words(name)
        steps.append((label, level, level - cost, "cost" if cost >= 0 else "gain"))
        level -= cost
    steps.append(("Net result", 0.0, net, "loss" if net < 0 else "gain"))
    low = min(0.0, *(min(a, b) for _, a, b, _ in steps))
    high = max(0.0, *(max(a, b) for _, a, b, _ in steps))
    scale = 100.0 / (high - low if high > low else 1.0)
    lines = tuple(
        CostLine(
            label=label,
            money=format_number(end - start, Unit.MONEY, signed=True),
            share=format_number((end - start) / abs(gross), Unit.PERCENT, signed=True) if gross else "–",
            per_notional=format_number((end - start) / notional, Unit.BASIS_POINTS, signed=True) if notional else "–",
            left=scale * (min(start, end) - low),
            wide=scale * abs(end - start),
            style=style,
        )
        for label, start, end, style in steps
    )
    return CostFindings(lines, -scale * low, _cost_sentence(record, named, gross, notional), _caveat(record, net))


def _costs_from_fills(record: RunRecord) -> Mapping[str, Any]:
    fills = record.rows.fills
    notional = float((fills["units"] * fills["mid"]).sum())
    slipped = float((fills["side"] * fills["units"] * (fills["price"] - fills["mid"])).sum())
    books = [record.curve(symbol) for symbol in record.books]
    financing = sum(float(book["financing"].sum()) for book in books)
    commission = float(fills["commission"].sum())
    net = sum(float(book["equity"][-1] - book["equity"][0]) for book in books)
    return {
        "spread": slipped,
        "commission": commission,
        "financing": financing,
        "gross_pnl": net + slipped + commission + financing,
        "notional_traded": notional,
    }


def _cost_sentence(record: RunRecord, costs: Mapping[str, float], gross: float, notional: float) -> str:
    paid = (sum(costs.values()) - costs.get("financing", 0.0)) / notional if notional else 0.0
    before = gross - costs.get("financing", 0.0)
    charged = f"Trading cost {format_number(paid, Unit.BASIS_POINTS)} of the notional traded"
    if before <= 0:
        return (
            f"{charged}. Before those costs the trades already came to "
            f"{format_number(before, Unit.MONEY, signed=True)}: no cost, however low, would have made this profitable."
        )
    level = record.summary["oos"].get("break_even_cost_frac")
    break_even = float(level) if level is not None else before / notional
    if paid <= 0:
        return f"{charged}; the result would be zero at {format_number(break_even, Unit.BASIS_POINTS)}."
    times = break_even / paid
    if times >= 2:
        verdict = f"could have been {format_number(times, Unit.RATIO)} times as high before the gain was gone"
    elif times >= 1:
        verdict = f"could have been {format_number(times - 1, Unit.PERCENT)} higher before the gain was gone"
    else:
        verdict = f"would have to be {format_number(1 - times, Unit.PERCENT)} lower for the result to reach zero"
    level_words = f"break-even is at {format_number(break_even, Unit.BASIS_POINTS)}"
    return f"{charged}; {level_words}: costs {verdict}."


def _caveat(record: RunRecord, net: float) -> str:
    curve = record.curve(record.account)
    moved = float(curve["equity"][-1] - curve["equity"][0])
    if abs(net - moved) <= 1e-4 * float(curve["equity"][0]):
        return ""
    return (
        f"These figures add up to {format_number(net, Unit.MONEY, signed=True)}, but the account moved by "
        f"{format_number(moved, Unit.MONEY, signed=True)}: one of the two is wrong."
    )
