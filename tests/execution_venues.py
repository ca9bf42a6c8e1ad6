"""One market at two venues, a simulated one and the fake TradeLocker over HTTP, behind one set of handles."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol

import numpy as np
from pydantic import SecretStr

from agv2.core.bars import Bar, Bars
from agv2.core.instruments import Market
from agv2.core.orders import FillReason, Order
from agv2.core.timeframes import Timeframe
from agv2.execution.broker_messages import Submission
from agv2.execution.ports import Broker
from agv2.execution.simulated_broker import SimulatedBroker, SimulatedSymbol
from agv2.execution.simulated_venue import SimulatedFault, SimulatedState
from agv2.execution.tradelocker_broker import SymbolAtVenue, TradeLockerBroker
from agv2.sim.costs import Costs
from agv2.tradelocker.auth import TokenKeeper
from agv2.tradelocker.client import TradeLockerClient
from agv2.tradelocker.fake.faults import FaultKind, FaultPlan, FaultRule
from agv2.tradelocker.fake.listings import FakeLogin, Listing
from agv2.tradelocker.fake.rules import VenueRules
from agv2.tradelocker.fake.server import FakeTradeLocker
from agv2.tradelocker.login import TradeLockerLogin
from agv2.tradelocker.rate_limiter import RateLimiter
from agv2.tradelocker.session import LoginSession
from agv2.utils.clock import Clock, ReplayClock

__all__ = [
    "ETH",
    "MARKET",
    "SYMBOL",
    "FakeVenue",
    "SimulatedVenue",
    "Trouble",
    "VenueUnderTest",
    "an_order",
    "fake_venue",
    "quiet",
    "simulated_venue",
]

SYMBOL = "ETHUSD"
OTHER = "BTCUSD"
MINUTE_NS = 60_000_000_000
START_NS = 1_772_445_600_000_000_000  # Monday, 2026-03-02 10:00 UTC
ACCOUNT = "812345"
ETH = "ETHUSD.x"
"""What the venue calls the symbol."""
PAST = 5
MARKET = Market(
    contract_size=10.0,
    lot_step=0.01,
    min_lot=0.01,
    max_lot=100.0,
    tick_size=0.01,
    leverage=20.0,
    stop_out_frac=0.0,
)
COSTS = Costs(0.0005, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0.0, 1.0, False)
ORDERS = "/trade/accounts/*/orders"

Prices = tuple[float, float, float, float]


def quiet(n_bars: int, price: float = 100.0) -> list[Prices]:
    """Bars in which nothing moves."""
    return [(price, price, price, price)] * n_bars


class Trouble(Enum):
    """What can be ordered from either venue for the next request that it fits."""

    REFUSED = "refused"
    REJECTED_LATE = "rejected late"
    REPLY_LOST = "reply lost"
    REQUEST_LOST = "request lost"
    BRACKET_DROPPED = "bracket dropped"
    PARTLY_FILLED = "partly filled"
    HIDDEN = "hidden"
    TOKEN_EXPIRED = "token expired"
    TOO_FAST = "too fast"


class VenueUnderTest(Protocol):
    """A venue with a broker connected, time that passes when told to, and its truth."""

    broker: Broker
    clock: Clock

    async def pass_bar(self) -> None:
        """Let the bar that is open close, and the next begin."""

    def trouble(self, trouble: Trouble) -> None:
        """Order a fault."""

    async def duplicate(self, submission: Submission) -> None:
        """Enter an order twice under one name, as a careless client would."""

    async def foreign_position(self) -> None:
        """Open a position of OTHER by hand."""

    async def away(self) -> None:
        """Begin maintenance."""

    async def back(self) -> None:
        """End it."""

    async def reconnect(self) -> None:
        """Another broker for the same account, as after a restart; waits are over."""

    def true_orders(self, strategy_id: str) -> int:
        """How many orders the venue ever took under this name."""

    def true_units(self, symbol: str = SYMBOL) -> float:
        """Signed units held, whoever may see them."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""


def _bars(symbol: str, prices: Sequence[Prices]) -> Bars:
    opens, high, low, close = np.array(prices, dtype=np.float64).T
    stamps = START_NS + np.arange(len(prices), dtype=np.int64) * MINUTE_NS
    unknown = np.full(len(prices), np.nan)
    return Bars(symbol, Timeframe(1), stamps, opens, high, low, close, unknown, unknown.copy())


def _kernel_bar(bars: Bars, row: int) -> Bar:
    return Bar(
        ts_ns=int(bars.ts_ns[row]),
        open=float(bars.open[row]),
        high=float(bars.high[row]),
        low=float(bars.low[row]),
        close=float(bars.close[row]),
        volume=float("nan"),
        spread=float("nan"),
        day=0,
        nights=0.0,
        spread_scale=1.0,
    )


def an_order(
    units: float = 3.0,
    *,
    stop: float = 90.0,
    target: float = 115.0,
    order_id: int = 1,
    reason: FillReason | None = None,
) -> Order:
    """3 units long, which are 0.3 lots, well bracketed."""
    return Order(order_id, units, stop, target, (reason or FillReason.ENTRY).value, START_NS)


class SimulatedVenue:
    """The simulated broker on bars of its own."""

    def __init__(self, prices: Sequence[Prices], *, leaves_time: bool = True) -> None:
        self.clock = ReplayClock(START_NS + PAST * MINUTE_NS)
        self._series = {SYMBOL: _bars(SYMBOL, prices), OTHER: _bars(OTHER, quiet(len(prices)))}
        self._next = 0
        self._symbols = {
            symbol: SimulatedSymbol(MARKET, COSTS, 50_000.0, float(prices[0][0])) for symbol in (SYMBOL, OTHER)
        }
        self._saved: SimulatedState | None = None
        self.simulated = SimulatedBroker(self._symbols, self.clock, save=self._save)
        self.broker: Broker = self.simulated

    def _save(self, state: SimulatedState) -> None:
        self._saved = SimulatedState.of_json(state.to_json())

    async def start(self) -> None:
        for _ in range(PAST):
            await self._observe()

    async def _observe(self) -> None:
        for symbol, bars in self._series.items():
            await self.broker.observe(symbol, _kernel_bar(bars, self._next))
        self._next += 1
        self.clock.sleep_until(START_NS + self._next * MINUTE_NS)

    async def pass_bar(self) -> None:
        await self._observe()

    async def sleep(self, seconds: float) -> None:
        self.clock.advance_to(self.clock.now_ns() + round(seconds * 1e9))

    def trouble(self, trouble: Trouble) -> None:
        self.simulated.order_fault(SimulatedFault[trouble.name])

    async def duplicate(self, submission: Submission) -> None:
        self.simulated.order_fault(SimulatedFault.DUPLICATED)
        await self.broker.submit(submission)

    async def foreign_position(self) -> None:
        await self.broker.submit(Submission("by hand", OTHER, an_order()))
        await self.pass_bar()

    async def away(self) -> None:
        self.simulated.order_fault(SimulatedFault.AWAY)

    async def back(self) -> None:
        self.simulated.withdraw_faults()

    async def reconnect(self) -> None:
        self.simulated = SimulatedBroker(self._symbols, self.clock, state=self._saved, save=self._save)
        self.broker = self.simulated

    def true_orders(self, strategy_id: str) -> int:
        return sum(each.strategy_id == strategy_id for each in self.simulated.venue_state.orders)

    def true_units(self, symbol: str = SYMBOL) -> float:
        return self.simulated.book(symbol).units


class FakeVenue:
    """The fake TradeLocker over HTTP; waits of the client move the venue's clock instead of ours."""

    def __init__(self, fake: FakeTradeLocker) -> None:
        self.fake = fake
        self.clock = fake.clock
        self.broker: Broker
        known = FakeLogin()
        self.login = TradeLockerLogin(
            fake.url, SecretStr(known.email), SecretStr(known.password), known.server, acc_num=1
        )
        self._client: TradeLockerClient | None = None

    async def connect(self) -> None:
        limiter = RateLimiter(monotonic_ns=self.clock.now_ns, sleep=self.sleep)
        self._client = TradeLockerClient(
            self.login,
            clock=self.clock,
            rng=np.random.default_rng(0),
            session=LoginSession(limiter, TokenKeeper(self.login)),
            monotonic_ns=self.clock.now_ns,
            sleep=self.sleep,
            read_budget_s=8.0,
        )
        await self._client.__aenter__()
        symbols = {SYMBOL: SymbolAtVenue(ETH, MARKET), OTHER: SymbolAtVenue(OTHER, MARKET)}
        self.broker = await TradeLockerBroker.open(self._client, symbols, self.clock, server="FAKE")

    async def disconnect(self) -> None:
        if self._client is not None:
            await self._client.__aexit__(None, None, None)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.fake.advance(max(seconds, 0.0))

    async def pass_bar(self) -> None:
        self.fake.advance_to((self.clock.now_ns() // MINUTE_NS + 1) * MINUTE_NS)

    def trouble(self, trouble: Trouble) -> None:
        self.fake.faults.add(
            {
                Trouble.REFUSED: FaultRule(FaultKind.REFUSED_ORDER),
                Trouble.REJECTED_LATE: FaultRule(FaultKind.LATE_REJECT),
                Trouble.REPLY_LOST: FaultRule(FaultKind.LOST_ANSWER, method="POST", path=ORDERS),
                Trouble.REQUEST_LOST: FaultRule(FaultKind.RESET, method="POST", path=ORDERS),
                Trouble.BRACKET_DROPPED: FaultRule(FaultKind.DROPPED_BRACKET),
                Trouble.PARTLY_FILLED: FaultRule(FaultKind.PARTIAL_FILL, method="POST"),
                Trouble.HIDDEN: FaultRule(FaultKind.DELAYED_VISIBILITY, seconds=30.0),
                Trouble.TOKEN_EXPIRED: FaultRule(FaultKind.TOKEN_EXPIRED, method="POST", path=ORDERS),
                Trouble.TOO_FAST: FaultRule(FaultKind.TOO_MANY_REQUESTS, method="POST", path=ORDERS, retry_after_s=5),
            }[trouble]
        )

    async def duplicate(self, submission: Submission) -> None:
        assert (await self.broker.submit(submission)).venue_order_id is not None
        assert (await self.broker.submit(submission)).venue_order_id is not None

    async def foreign_position(self) -> None:
        from tests.test_tradelocker.fake_trader import Trader

        with Trader(self.fake) as trader:
            trader.place(tradableInstrumentId=289, routeId=453, qty="0.30")

    async def away(self) -> None:
        self.fake.add_maintenance(self.clock.now_ns(), self.clock.now_ns() + 60 * MINUTE_NS)

    async def back(self) -> None:
        self.fake.advance(3_601)

    async def reconnect(self) -> None:
        await self.disconnect()
        await self.connect()

    def true_orders(self, strategy_id: str) -> int:
        return len(self.fake.orders_of(strategy_id))

    def true_units(self, symbol: str = SYMBOL) -> float:
        name = ETH if symbol == SYMBOL else symbol
        held = sum(
            (int(each.side) * each.qty for each in self.fake.open_positions() if each.symbol == name), Decimal(0)
        )
        return float(held * 10)


@asynccontextmanager
async def simulated_venue(prices: Sequence[Prices] = (), **_: Any) -> AsyncIterator[SimulatedVenue]:
    """After five quiet bars at 100, at the open of the first of `prices`."""
    venue = SimulatedVenue([*quiet(PAST), *(prices or quiet(3)), *quiet(200)])
    await venue.start()
    yield venue


@asynccontextmanager
async def fake_venue(
    prices: Sequence[Prices] = (), *, rules: VenueRules | None = None, faults: Sequence[FaultRule] = ()
) -> AsyncIterator[FakeVenue]:
    """After five quiet bars at 100, at the open of the first of `prices`; the books must be sound afterwards."""
    every = [*quiet(PAST), *(prices or quiet(3)), *quiet(200)]
    listings = [
        Listing(name, _bars(name, bars), lot_size=Decimal(10), spread=Decimal("0.10"))
        for name, bars in ((ETH, every), (OTHER, quiet(len(every))))
    ]
    clock, plan = ReplayClock(START_NS + PAST * MINUTE_NS), FaultPlan()
    # The gap before maintenance ends is no closed market.
    rules = dataclasses.replace(rules or VenueRules(), closed_after_ns=None)
    with FakeTradeLocker(listings, clock=clock, rules=rules, faults=plan) as fake:
        venue = FakeVenue(fake)
        await venue.connect()
        plan.add(*faults)
        try:
            yield venue
        finally:
            await venue.disconnect()
        assert fake.check() == []
