"""What crises did to the account, as rows and small charts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from agv2.backtest.report.curve_panels import CurvePanel, DrawnLine, curve_panel
from agv2.backtest.report.numerals import Unit, format_number
from agv2.backtest.report.scales import Tick
from agv2.core.arrays import FloatArray

__all__ = ["StressTable", "stress_table"]


@dataclass(frozen=True, slots=True)
class StressRow:
    """One crisis."""

    title: str
    how: str
    paths: str
    market: str
    median: str
    worst: str
    drawdown: str
    stops: str
    halts: str
    basis: str


@dataclass(frozen=True, slots=True)
class StressTable:
    """All crises; charts are of the worst way through each."""

    rows: tuple[StressRow, ...]
    charts: tuple[CurvePanel, ...]
    left_out: tuple[str, ...]
    sentence: str


def stress_table(document: Mapping[str, Any]) -> StressTable:
    """What `robustness/stress.json` says.

    Args:
        document: as docs/run_directory.md describes it.
    """
    scenarios = document["scenarios"]
    charts = (_chart(one) for one in scenarios)
    return StressTable(
        rows=tuple(_row(one) for one in scenarios),
        charts=tuple(chart for chart in charts if chart is not None),
        left_out=tuple(f"{one['title']} is left out: {one['reason']}" for one in document["left_out"]),
        sentence=_sentence(scenarios),
    )


def _row(one: Mapping[str, Any]) -> StressRow:
    paths = one["paths"]
    gains = np.array([path["net_return"] for path in paths])
    moves = [path["market_move"] for path in paths]
    halted = [path for path in paths if path["daily_loss_halts"] or path["drawdown_halts"]]
    ends = sorted({min(moves), max(moves)})
    return StressRow(
        title=one["title"],
        how=one["how"] if one["unseen"] else f"{one['how']}, seen in training",
        paths=format_number(len(paths), Unit.COUNT),
        market=" and ".join(format_number(move, Unit.PERCENT, signed=True) for move in ends),
        median=format_number(float(np.median(gains)), Unit.PERCENT, signed=True),
        worst=format_number(float(gains.min()), Unit.PERCENT, signed=True),
        drawdown=format_number(max(path["max_drawdown"] for path in paths), Unit.PERCENT),
        stops=format_number(float(np.mean([path["stops_hit"] for path in paths])), Unit.RATIO),
        halts=_halts(halted, len(paths)),
        basis=_basis(one),
    )


def _halts(halted: list[Mapping[str, Any]], n_paths: int) -> str:
    if not halted:
        return "none"
    daily, breaker = (sum(path[key] for path in halted) for key in ("daily_loss_halts", "drawdown_halts"))
    kinds = [f"daily loss {daily}" if daily else "", f"drawdown {breaker}" if breaker else ""]
    counted = ", ".join(kind for kind in kinds if kind)
    return f"on {len(halted)} of {n_paths} paths ({counted})" if n_paths > 1 else counted


def _basis(one: Mapping[str, Any]) -> str:
    if one["how"] != "shock path":
        return one["basis"]  # type: ignore[no-any-return]  # text
    return (
        f"{one['basis']}; in daily volatilities of the market, between its own bars magnified {one['loudness']:g} "
        f"times, spreads {one['spread_factor']:g} times as wide"
    )


def _chart(one: Mapping[str, Any]) -> CurvePanel | None:
    curves = one["curves"]
    account, market = _percent(curves["account"]), _percent(curves["market"])
    lines = [
        DrawnLine("s2", "market", np.linspace(0.0, 1.0, market.size), market),
        DrawnLine("s0", "account", np.linspace(0.0, 1.0, account.size), account),
    ]
    n_bars = int(curves["n_bars"])
    steps = [Tick(25.0 * quarter, f"{n_bars * quarter // 4:,} bars") for quarter in (1, 2, 3)]
    worst = one["paths"][one["worst_path"]]
    way = "" if len(one["paths"]) == 1 else f", worst path, {'mirrored' if worst['direction'] == 'up' else 'falling'}"
    return curve_panel(f"{one['title']}{way}: account (solid) and market, per cent", lines, 1.0, steps=steps)


def _percent(values: list[float]) -> FloatArray:
    return 100.0 * np.asarray(values, dtype=np.float64)


def _sentence(scenarios: list[Mapping[str, Any]]) -> str:
    said = ["What the last policy and the risk layer do when the market breaks, by the same decision path."]
    if any(one["how"] == "shock path" for one in scenarios):
        said.append(
            "A shock path is no history: the run's bars cover no such time, so the crisis is written into its last "
            "test bars, from several bars on, once falling and once rising, and features are made anew over the whole. "
            "How far it goes follows the market's volatility. Slippage, gaps beyond the market's own and a venue that "
            "does not answer are not in it: a real crisis may be worse."
        )
    if any(one["how"] == "replayed" for one in scenarios):
        said.append("Replayed is what bars of that time hold.")
    if any(not one["unseen"] for one in scenarios):
        said.append("Where it says so, the models were trained on those very bars: that is no test.")
    return " ".join(said)
