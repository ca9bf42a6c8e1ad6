"""Round trips: what was opened, what it cost, and what it left when it was closed."""

from typing import NamedTuple

import numpy as np
import polars as pl

from agv2.backtest.run_files import RunRows

__all__ = ["Trade", "round_trips"]

_FLAT_FRAC = 1e-9  # of the largest position: what rounding leaves of a closed one


class Trade(NamedTuple):
    """One completed round trip: from flat (or a turn) to flat (or a turn)."""

    symbol: str
    fold: int
    side: int
    """+1 long, -1 short."""
    units: float
    """Largest position held, base units, > 0."""
    opened_ns: int
    """Open time of the bar of the first fill."""
    closed_ns: int
    """Open time of the bar of the last fill."""
    decided_ns: int
    """Open time of the bar at whose close the entry was decided."""
    bars_held: int
    """Bars from the first to the last fill; 0 when closed in the bar it was opened in."""
    entry_price: float
    """Average price paid (long) or received (short) at the way in."""
    exit_price: float
    """Average price at the way out."""
    entry_mid: float
    """Average price before costs at the way in."""
    notional: float
    """Units times mid, summed over all fills, both ways."""
    cost: float
    """Half spread, slippage and commission of all fills, money, >= 0."""
    financing: float
    """Paid while the position was held, money; negative when received."""
    net_pnl: float
    """What the trade added to cash after cost and financing."""
    initial_risk: float
    """|entry mid - stop in the entry's decision| times units, money; NaN without a stop."""
    exit_reason: str
    """Reason of the last fill."""

    @property
    def r_multiple(self) -> float:
        """Net P&L in units of the initial risk; NaN without a stop."""
        return self.net_pnl / self.initial_risk


class _Leg(NamedTuple):
    """The part of a fill that belongs to one trade; a turn has two."""

    row: int
    ts_ns: int
    decided_ns: int
    side: int
    units: float
    price: float
    mid: float
    commission: float
    reason: str


def round_trips(rows: RunRows) -> tuple[Trade, ...]:
    """Completed trades of every book, by symbol and then by time of closing.

    Partial fills and additions belong to the trade they enlarge. A fill through zero closes one trade and opens
    the next; its commission is shared by units. Financing at a bar belongs to whoever held a position through
    the bar before. A position that the rows leave open is no completed trade (a fold closes what is open, so a
    finished run has none), and then the net P&L of a book's trades sums to what its equity gained.

    Args:
        rows: a run's tables; the decisions may be empty, and then no trade has an initial risk.

    Returns:
        The trades; empty when nothing was closed.
    """
    stops = _stops_by_decision(rows.decisions)
    found: list[Trade] = []
    for symbol in rows.symbols:
        book = rows.equity.filter(pl.col("symbol") == symbol)
        stamps = book["ts"].to_physical().to_numpy()
        # financing_to[i] sums the rows before row i
        financing_to = np.concatenate([[0.0], np.cumsum(book["financing"].to_numpy())])
        fills = rows.fills.filter(pl.col("symbol") == symbol)
        at = np.searchsorted(stamps, fills["ts"].to_physical().to_numpy())
        stamp_us = [column.to_physical() for column in (fills["ts"], fills["decided_ts"])]
        numbers = (fills[name] for name in ("side", "units", "price", "mid", "commission", "reason", "fold"))
        held, peak, legs = 0.0, 0.0, list[_Leg]()
        for row, ts_us, decided_us, side, units, price, mid, commission, reason, fold in zip(
            at.tolist(), *stamp_us, *numbers, strict=True
        ):
            whole = _Leg(row, ts_us * 1000, decided_us * 1000, side, units, price, mid, commission, reason)
            after = held + side * units
            if abs(after) <= _FLAT_FRAC * max(units, abs(held)):
                after = 0.0
            if held * after < 0.0:
                legs.append(_part(whole, abs(held)))
                found.append(_trade(symbol, fold, legs, peak, financing_to, stops))
                legs, peak = [_part(whole, abs(after))], abs(after)
            else:
                legs.append(whole)
                peak = max(peak, abs(after))
                if after == 0.0:
                    found.append(_trade(symbol, fold, legs, peak, financing_to, stops))
                    legs, peak = [], 0.0
            held = after
    return tuple(found)


def _part(leg: _Leg, units: float) -> _Leg:
    return leg._replace(units=units, commission=leg.commission * units / leg.units)


def _trade(
    symbol: str,
    fold: int,
    legs: list[_Leg],
    peak_units: float,
    financing_to: np.ndarray[tuple[int], np.dtype[np.float64]],
    stops: dict[tuple[int, str, int], float],
) -> Trade:
    first, last = legs[0], legs[-1]
    ways_in = [leg for leg in legs if leg.side == first.side]
    ways_out = [leg for leg in legs if leg.side != first.side]
    entry_mid = _average([leg.mid for leg in ways_in], ways_in)
    stop = stops.get((fold, symbol, first.decided_ns), 0.0)
    financing = float(financing_to[last.row + 1] - financing_to[first.row + 1])
    cost = sum(leg.side * leg.units * (leg.price - leg.mid) + leg.commission for leg in legs)
    return Trade(
        symbol=symbol,
        fold=fold,
        side=first.side,
        units=peak_units,
        opened_ns=first.ts_ns,
        closed_ns=last.ts_ns,
        decided_ns=first.decided_ns,
        bars_held=last.row - first.row,
        entry_price=_average([leg.price for leg in ways_in], ways_in),
        exit_price=_average([leg.price for leg in ways_out], ways_out),
        entry_mid=entry_mid,
        notional=sum(leg.units * leg.mid for leg in legs),
        cost=cost,
        financing=financing,
        net_pnl=-sum(leg.side * leg.units * leg.price + leg.commission for leg in legs) - financing,
        initial_risk=(abs(entry_mid - stop) * peak_units or float("nan")) if stop > 0.0 else float("nan"),
        exit_reason=last.reason,
    )


def _average(values: list[float], legs: list[_Leg]) -> float:
    return sum(value * leg.units for value, leg in zip(values, legs, strict=True)) / sum(leg.units for leg in legs)


def _stops_by_decision(decisions: pl.DataFrame) -> dict[tuple[int, str, int], float]:
    keys = zip(decisions["fold"], decisions["symbol"], decisions["ts"].to_physical() * 1000, strict=True)
    return dict(zip(keys, decisions["stop"], strict=True))
