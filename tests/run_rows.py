"""Run tables made by hand: a few fills and closes in, a consistent account out."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from agv2.backtest.run_files import RunRows

HOUR_NS = 3_600_000_000_000


class HandFill(NamedTuple):
    """A fill in bar `bar`; `units` signed."""

    bar: int
    units: float
    price: float
    mid: float
    commission: float = 0.0
    reason: str = "entry"
    decided: int | None = None


def a_run(
    closes: Sequence[float],
    fills: Sequence[HandFill] = (),
    *,
    symbol: str = "GOLD",
    cash: float = 1000.0,
    financing: Mapping[int, float] | None = None,
    stops: Mapping[int, float] | None = None,
    step_ns: int = HOUR_NS,
    first_bar: int = 0,
) -> RunRows:
    """One book, one fold: bar i opens at (first_bar + i) x step; cash follows the fills as the audit demands."""
    stamps = [(first_bar + bar) * step_ns for bar in range(len(closes))]
    units, peak, rows = 0.0, cash, []
    for bar, close in enumerate(closes):
        paid = (financing or {}).get(bar, 0.0)
        here = [fill for fill in fills if fill.bar == bar]
        cash -= paid + sum(fill.units * fill.price + fill.commission for fill in here)
        units += sum(fill.units for fill in here)
        equity = cash + units * close
        peak = max(peak, equity)
        rows.append((0, symbol, stamps[bar], equity, cash, units, paid, 1 - equity / peak, False))
    names = ("fold", "symbol", "ts", "equity", "cash", "units", "financing", "drawdown", "halted")
    equity_frame = pl.DataFrame(rows, schema=names, orient="row")
    fill_frame = pl.DataFrame(
        {
            "fold": [0] * len(fills),
            "symbol": [symbol] * len(fills),
            "ts": [stamps[fill.bar] for fill in fills],
            "side": [1 if fill.units > 0 else -1 for fill in fills],
            "units": [abs(fill.units) for fill in fills],
            "price": [fill.price for fill in fills],
            "mid": [fill.mid for fill in fills],
            "commission": [fill.commission for fill in fills],
            "reason": [fill.reason for fill in fills],
            "order_id": list(range(1, len(fills) + 1)),
            "decided_ts": [stamps[fill.bar - 1 if fill.decided is None else fill.decided] for fill in fills],
        }
    )
    decided = sorted((stops or {}).items())
    count = len(decided)
    decision_frame = pl.DataFrame(
        {
            "fold": [0] * count,
            "symbol": [symbol] * count,
            "ts": [stamps[bar] for bar, _ in decided],
            "position": [1] * count,
            "size": [1.0] * count,
            "stop": [stop for _, stop in decided],
            **dict.fromkeys(("target", "entropy", "value", "p_trend", "p_consolidation", "p_volatile"), [0.0] * count),
            **dict.fromkeys(("order_before_units", "order_after_units"), [0.0] * count),
            "reason": ["policy"] * count,
        }
    )
    return RunRows.of(fill_frame, equity_frame, decision_frame)
