"""From a run's tables to the measures of its books and of the whole account."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from agv2.backtest.metrics import EquityCurve, PerformanceReport, daily_returns, performance
from agv2.backtest.run_files import RunRows
from agv2.backtest.trades import Trade, round_trips
from agv2.core.arrays import FloatArray, IntArray
from agv2.core.timeframes import SessionCalendar

__all__ = ["Evaluation", "MeasuredAccount", "evaluate"]


@dataclass(frozen=True, slots=True)
class MeasuredAccount:
    """One account with everything that is computed from it."""

    curve: EquityCurve
    trades: tuple[Trade, ...]
    report: PerformanceReport
    days: IntArray
    """(n_days,) trading days, rising."""
    returns: FloatArray
    """(n_days,) simple return of each."""
    trading_days_per_year: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run's whole account and each of its books."""

    oos: MeasuredAccount
    """The only book, or a portfolio's `ACCOUNT`."""
    per_symbol: Mapping[str, MeasuredAccount]


def evaluate(rows: RunRows, calendars: Mapping[str, SessionCalendar]) -> Evaluation:
    """Measure every book of a run, and the account they make up.

    A portfolio's days are those of its market with the most trading days a year, so that ether's weekends are
    not dropped beside gold; its trades and fills are those of all books.

    Args:
        rows: a run's tables, or a baseline's.
        calendars: of each symbol in `rows`.

    Returns:
        For one symbol, `oos` is that book.
    """
    trades = round_trips(rows)
    per_symbol: dict[str, MeasuredAccount] = {}
    for symbol in rows.symbols:
        frame = rows.equity.filter(pl.col("symbol") == symbol)
        held = np.abs(frame["equity"].to_numpy() - frame["cash"].to_numpy())  # equity = cash + units x close
        fills = rows.fills.filter(pl.col("symbol") == symbol)
        own = tuple(trade for trade in trades if trade.symbol == symbol)
        per_symbol[symbol] = _measure(frame, held, own, fills, calendars[symbol])
    account = rows.equity.filter(pl.col("symbol") == "ACCOUNT")
    if account.is_empty():
        return Evaluation(next(iter(per_symbol.values())), per_symbol)
    busiest = max((calendars[symbol] for symbol in per_symbol), key=lambda calendar: calendar.trading_days_per_year)
    stamps = _stamps_ns(account)
    held = np.zeros(stamps.size)
    for measured in per_symbol.values():
        latest = np.searchsorted(measured.curve.ts_ns, stamps, side="right") - 1
        held += np.where(latest >= 0, measured.curve.gross_notional[np.maximum(latest, 0)], 0.0)
    return Evaluation(_measure(account, held, trades, rows.fills, busiest), per_symbol)


def _measure(
    frame: pl.DataFrame,
    gross_notional: FloatArray,
    trades: tuple[Trade, ...],
    fills: pl.DataFrame,
    calendar: SessionCalendar,
) -> MeasuredAccount:
    stamps = _stamps_ns(frame)
    curve = EquityCurve(stamps, calendar.trading_days(stamps), frame["equity"].to_numpy(), gross_notional)
    notional = (fills["units"] * fills["mid"]).to_numpy()
    report = performance(curve, trades, _stamps_ns(fills), notional, calendar.trading_days_per_year)
    return MeasuredAccount(
        curve, trades, report, np.unique(curve.day), daily_returns(curve), calendar.trading_days_per_year
    )


def _stamps_ns(frame: pl.DataFrame) -> IntArray:
    stamps: IntArray = frame["ts"].to_physical().to_numpy() * 1000
    return stamps
