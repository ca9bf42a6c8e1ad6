"""Several traders on one account: a seat a symbol, and a turn at a time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from agv2.app.trading.account_share import AccountShare
from agv2.core.bars import Bars
from agv2.core.errors import ConfigError
from agv2.core.timeframes import Timeframe
from agv2.execution.broker_desk import BrokerDesk
from agv2.execution.feed_watch import FeedWatch
from agv2.execution.journal import Journal
from agv2.execution.journal_records import Started
from agv2.execution.kill_switch import KillSwitch
from agv2.execution.order_executor import OrderExecutor
from agv2.execution.trader import Trader
from agv2.execution.trader_parts import TraderParts, TraderRules
from tests.execution_venues import OTHER, SYMBOL, FakeVenue, fake_venue, quiet
from tests.tapes import limits
from tests.wishful_model import LONG, VOLATILITY, WishfulModel

ACCOUNT = "TradeLocker DEMO 812345"


def a_share(folder: Path, symbol: str, patience_s: float = 30.0) -> AccountShare:
    return AccountShare(folder / "accounts", ACCOUNT, symbol, patience_s)


def test_a_symbol_of_an_account_has_one_trader(tmp_path: Path) -> None:
    with a_share(tmp_path, "EURUSD"):
        with (
            pytest.raises(ConfigError, match="another trader trades EURUSD in TradeLocker DEMO 812345"),
            a_share(tmp_path, "EURUSD"),
        ):
            pass
        with a_share(tmp_path, "XAUUSD"), AccountShare(tmp_path / "accounts", "TradeLocker DEMO 7", "EURUSD"):
            pass
    with a_share(tmp_path, "EURUSD"):
        pass


async def test_two_symbols_of_an_account_never_decide_at_once(tmp_path: Path) -> None:
    deciding, most = 0, 0

    async def decide(symbol: str) -> None:
        nonlocal deciding, most
        with a_share(tmp_path, symbol) as share:
            for _ in range(3):
                async with share.turn() as wait:
                    assert wait == ""
                    deciding += 1
                    most = max(most, deciding)
                    await asyncio.sleep(0.01)
                    deciding -= 1

    await asyncio.gather(decide("EURUSD"), decide("XAUUSD"))
    assert most == 1


async def test_who_waits_too_long_for_its_turn_is_told_and_goes_on(tmp_path: Path) -> None:
    slow, other = a_share(tmp_path, "EURUSD"), a_share(tmp_path, "XAUUSD", patience_s=0.1)
    async with slow.turn():
        async with other.turn() as wait:
            assert "another trader of TradeLocker DEMO 812345 has been deciding" in wait
        async with other.turn() as again:
            assert again
    async with other.turn() as wait:
        assert wait == ""


class OneBar:
    """A feed of one bar, the newest that has closed, and then the end."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    async def bars(self) -> AsyncIterator[Bars]:
        yield self._bars


def a_trader(venue: FakeVenue, symbol: str, folder: Path, journal: Journal, share: AccountShare) -> Trader:
    """Wants a position worth all of the account; the account may have 1.2 times that."""
    n_bars, minute_ns = 4, 60_000_000_000
    stamps = (venue.clock.now_ns() // minute_ns - n_bars + np.arange(n_bars)) * minute_ns
    price, unknown = np.full(n_bars, 100.0), np.full(n_bars, np.nan)
    bars = Bars(symbol, Timeframe(1), stamps, price, price, price, price, unknown, unknown)
    executor = OrderExecutor(venue.broker, journal, venue.clock, sleep=venue.sleep)
    parts = TraderParts(
        model=WishfulModel((LONG, 3, 3, 3), limits(target_volatility=VOLATILITY, max_exposure=1.2)),
        desk=BrokerDesk(venue.broker, executor, journal, symbol),
        feed=OneBar(bars.slice(n_bars - 1, n_bars)),
        history=bars.slice(0, n_bars - 1),
        journal=journal,
        switch=KillSwitch(folder, f"{symbol}.sqlite", venue.clock),
        clock=venue.clock,
        watch=FeedWatch(Timeframe(1), grace_s=7200.0),
        started=Started("paper", venue.broker.name, (symbol,), "0", "", "", {}),
        turn=share.turn,
    )
    return Trader(parts, TraderRules("paper", symbol, Timeframe(1), poll_s=60.0))


async def test_two_symbols_that_decide_at_one_close_keep_within_the_accounts_exposure(tmp_path: Path) -> None:
    async with fake_venue(quiet(20)) as venue:
        with (
            Journal(tmp_path / "a.sqlite", clock=venue.clock) as one,
            Journal(tmp_path / "b.sqlite", clock=venue.clock) as other,
        ):
            traders = [
                a_trader(venue, symbol, tmp_path, journal, a_share(tmp_path, symbol))
                for symbol, journal in ((SYMBOL, one), (OTHER, other))
            ]
            await asyncio.gather(*(trader.run() for trader in traders))
        held = sorted(each.units * each.entry_price for each in (await venue.broker.state()).positions)
        equity = (await venue.broker.account()).equity
    assert [share / equity for share in held] == pytest.approx([0.2, 1.0], abs=0.01)
