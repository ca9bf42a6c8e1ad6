"""Several symbols against one account: what reads the book, what reads the account, and on which clock.

Each test draws its books hour by hour: a number is a close, `.` an hour without a bar.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from agv2.backtest.replay import ReplayResult, replay
from agv2.backtest.stitching import account_rows
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import Float32Array
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.orders import FillReason
from agv2.core.timeframes import SessionCalendar
from agv2.decision.decider import PolicyOutput
from agv2.decision.planner import PlanReason
from tests.factories import START_NS, bars_of
from tests.tapes import ANY_LOT, FREE, NEW_YORK, limits, near_levels

HOUR_NS = 3_600_000_000_000
UTC = SessionCalendar(0, "UTC", 365.0, None, weekend_nights=True)
FLAT, LONG = (0, 3, 3, 3), (1, 3, 3, 3)
CALM = 0.005
"""Volatility of every bar; a full position is worth the book's equity under limits that aim at as much."""


class Always:
    """A policy that wishes the same at every decision."""

    def __init__(self, action: tuple[int, int, int, int] = LONG) -> None:
        self.action = np.array([action])

    def act(self, observations: Float32Array) -> PolicyOutput:
        return PolicyOutput(self.action, np.zeros(1), np.zeros(1))


def a_book(symbol: str, hours: str, calendar: SessionCalendar = UTC, **limit: Any) -> MarketTape:
    """Bars of `hours` from 2024-01-02 00:00 UTC on, each opening where it closes; limits of the whole account."""
    closes = {hour: float(text) for hour, text in enumerate(hours.split()) if text != "."}
    made = bars_of(list(closes.values()), symbol=symbol)
    stamps = START_NS + HOUR_NS * np.array(list(closes), dtype=np.int64)
    close = made.close
    bars = Bars(symbol, made.timeframe, stamps, close, close, close, close, made.volume, made.spread)
    usual: dict[str, Any] = {"target_volatility": CALM, "daily_loss_frac": 1.0, "drawdown_frac": 1.0}
    return MarketTape(
        symbol=symbol,
        bars=bars.records(calendar),
        volatility=np.full(len(bars), CALM),
        levels=near_levels(np.full((len(bars), 2), np.nan)),
        market_rows=np.zeros((len(bars), 1), dtype=np.float32),
        market=ANY_LOT,
        params=limits(**(usual | limit)),
        costs=FREE,
    )


def reasons(result: ReplayResult, symbol: str) -> list[str]:
    return [PlanReason(each.plan.reason).name.lower() for name, _, each in result.decisions if name == symbol]


def fills(result: ReplayResult, symbol: str) -> list[tuple[int, str]]:
    """Hour and reason of each fill."""
    return [
        ((fill.ts_ns - START_NS) // HOUR_NS, FillReason(fill.reason).name.lower())
        for name, fill in result.fills
        if name == symbol
    ]


def test_the_loss_of_one_book_flattens_all() -> None:
    """
    A  100  100   90   90   90   90    5,000 of 100,000 lost through a gap past the stop
    B   50   50   50   50   50   50    sold at the next open
    """
    strict: dict[str, Any] = {"daily_loss_frac": 0.04}
    books = [a_book("A", "100 100 90 90 90 90", **strict), a_book("B", "50 50 50 50 50 50", **strict)]
    result = replay(books, Always(), [50_000.0, 50_000.0])
    assert fills(result, "A") == [(1, "entry"), (2, "stop_loss")]
    assert fills(result, "B") == [(1, "entry"), (3, "risk")]
    assert reasons(result, "B") == ["as_wished", "hold", "daily_loss", "daily_loss", "daily_loss"]
    assert [row.halted for row in result.equity if row.symbol == "B"] == [False, False, True, True, True, True]


def test_a_closed_market_is_flattened_when_it_opens_again() -> None:
    """
    A  100  100   90   90   90   90   90
    B   50   50    .    .   50   50   50    decides at the close of its next bar, sold at the open after that
    """
    strict: dict[str, Any] = {"daily_loss_frac": 0.04}
    books = [a_book("A", "100 100 90 90 90 90 90", **strict), a_book("B", "50 50 . . 50 50 50", **strict)]
    result = replay(books, Always(), [50_000.0, 50_000.0])
    assert fills(result, "B") == [(1, "entry"), (5, "risk")]


def test_exposure_is_the_accounts_and_the_first_book_to_order_has_it() -> None:
    """Both would hold 50,000; the account may hold 60,000: A is ordered first, B gets what is left."""
    shared: dict[str, Any] = {"max_exposure": 0.6}
    books = [a_book("A", "100 100 100 100", **shared), a_book("B", "50 50 50 50", **shared)]
    result = replay(books, Always(), [50_000.0, 50_000.0])
    assert [fill.units for _, fill in result.fills[:2]] == pytest.approx([500.0, 200.0])
    assert (reasons(result, "A")[0], reasons(result, "B")[0]) == ("as_wished", "size_capped")


def test_a_pending_order_of_another_book_takes_its_room() -> None:
    """A's order waits for two opens; B sees it all the while."""
    shared: dict[str, Any] = {"max_exposure": 0.6}
    slow = replace(a_book("A", "100 100 100 100 100 100", **shared), costs=FREE._replace(latency_bars=2))
    result = replay([slow, a_book("B", ". 50 50 50 50 50", **shared)], Always(), [50_000.0, 50_000.0])
    assert fills(result, "A")[0] == (3, "entry")
    assert next(fill.units for name, fill in result.fills if name == "B") == pytest.approx(200.0)


def test_positions_are_counted_over_the_account() -> None:
    shared: dict[str, Any] = {"max_positions": 1}
    books = [a_book("A", "100 100 100 100", **shared), a_book("B", "50 50 50 50", **shared)]
    result = replay(books, Always(), [50_000.0, 50_000.0])
    assert fills(result, "B") == []
    assert set(reasons(result, "B")) == {"max_positions"}


def test_size_and_leverage_read_the_book() -> None:
    """A book of 20,000 holds 20,000, and at a leverage of a half 10,000, whatever the account has."""
    poor = a_book("A", "100 100 100 100")
    for leverage, units in ((20.0, 200.0), (0.5, 100.0)):
        books = [replace(poor, market=ANY_LOT._replace(leverage=leverage)), a_book("B", "50 50 50 50")]
        result = replay(books, Always(), [20_000.0, 80_000.0])
        assert result.fills[0][1].units == pytest.approx(units)


def test_a_ruined_book_stops_and_the_others_go_on() -> None:
    """
    A  100  100    1    1    1    1    long ten times its money, past its stop: ruined
    B   50   50   50   50   50   50    holds to the end
    """
    greedy: dict[str, Any] = {"target_volatility": 10 * CALM, "max_exposure": 100.0}
    books = [a_book("A", "100 100 1 1 1 1", **greedy), a_book("B", "50 50 50 50 50 50", **greedy)]
    result = replay(books, Always(), [10_000.0, 200_000.0])
    assert fills(result, "A") == [(1, "entry"), (2, "stop_loss")]
    assert reasons(result, "A") == ["as_wished", "hold", "ruined", "ruined", "ruined"]
    assert fills(result, "B") == [(1, "entry"), (5, "end")]


def test_the_account_has_a_row_for_every_stamp_of_the_merged_clock() -> None:
    """
    A    .  100  100  104    .    .    long 500 from hour 2 to 3, at 100 and 104
    B   50    .   50    .   52   52    long 1,000 from hour 2 to 5, at 50 and 52
    """
    result = replay([a_book("A", ". 100 100 104"), a_book("B", "50 . 50 . 52 52")], Always(), [50_000.0, 50_000.0])
    account = account_rows(result.fills, result.equity).equity.filter(pl.col("symbol") == "ACCOUNT")
    assert account["equity"].to_list() == pytest.approx([100e3, 100e3, 100e3, 102e3, 104e3, 104e3])
    assert account["cash"].to_list() == pytest.approx([100e3, 100e3, 0.0, 52e3, 52e3, 104e3])
    assert account["units"].to_list() == [0.0] * 6


def test_the_accounts_day_never_goes_back() -> None:
    """
    UTC         21   22   23    0        A's day turns at 22:00 UTC, 17:00 in New York; then it is closed
    A  roll 22 100  100    .    . …
    B  roll 0   50   50   25    . …      the breaker trips in the account's next day, and counts from there
    """
    breaker: dict[str, Any] = {"drawdown_frac": 0.05, "breaker_cooldown_days": 2}
    late = ". " * 21
    gold = a_book("A", late + "100 100 " + ". " * 80 + "100", NEW_YORK, **breaker)
    ether = a_book("B", late + "50 50 25 " + "25 " * 80, UTC, **breaker)
    result = replay([gold, ether], Always(), [50_000.0, 50_000.0])
    halted = [(row.ts_ns - START_NS) // HOUR_NS for row in result.equity if row.symbol == "B" and row.halted]
    assert (halted[0], halted[-1]) == (23, 3 * 24 - 1), "tripped on the 3rd for New York, resumed on the 5th"


def test_a_fold_of_two_bars_is_refused() -> None:
    with pytest.raises(DataError, match="B: a fold of 2 bars is too short; at least 3"):
        replay([a_book("A", "1 1 1"), a_book("B", "1 1")], Always(FLAT), [1.0, 1.0])
