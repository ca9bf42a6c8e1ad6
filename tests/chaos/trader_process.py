"""The trader of a chaos run: everything that `agv2 live` is made of, but for the network that would decide."""

import asyncio
import importlib
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import numpy as np
import structlog
from pydantic import SecretStr

from agv2.app.trading.venue_feed import WantedBars, venue_bars
from agv2.core.errors import AGV2Error, VenueError
from agv2.core.timeframes import Timeframe
from agv2.decision.actions import decode_action
from agv2.deploy.clock_watch import ClockWatch
from agv2.deploy.feed_watch import FeedWatch as FeedGuard
from agv2.deploy.guard_keeper import GuardKeeper
from agv2.deploy.guards import Guards
from agv2.deploy.pulse import Pulse
from agv2.deploy.safeguards import Breaker, Heartbeat
from agv2.deploy.trader_guards import FileMemory, TraderGuards, TraderSwitch, journalled
from agv2.execution.broker_desk import BrokerDesk
from agv2.execution.execution_reports import ExecutionSettings, ReconcileReport
from agv2.execution.feed_watch import FeedWatch
from agv2.execution.journal_records import IntentMade, Noted, Started, record_of_json, record_to_json
from agv2.execution.kill_switch import KillSwitch
from agv2.execution.order_executor import OrderExecutor
from agv2.execution.order_track import IntentKind
from agv2.execution.tradelocker_broker import SymbolAtVenue, TradeLockerBroker
from agv2.execution.trader import Trader
from agv2.execution.trader_memory import remember
from agv2.execution.trader_parts import TraderParts, TraderRules
from agv2.execution.trader_status import TraderStatus
from agv2.risk.config import RiskParams
from agv2.tradelocker.auth import TokenKeeper
from agv2.tradelocker.client import TradeLockerClient
from agv2.tradelocker.fake.listings import FakeLogin
from agv2.tradelocker.login import TradeLockerLogin
from agv2.tradelocker.messages import PriceHistory, VenueInstrument
from agv2.tradelocker.rate_limiter import RateLimiter
from agv2.tradelocker.session import LoginSession
from tests.chaos.mortality import KillPlan, MortalJournal, MortalTransport, Reaper
from tests.chaos.scaled_clock import ScaledClock
from tests.chaos.venue_process import SYMBOL
from tests.wishful_model import FLAT, LONG, MARKET, UTC, Wish, WishfulModel

__all__ = ["MINUTE", "Orders", "be_the_trader", "switch_of"]

MINUTE = Timeframe(1)
PATIENCE = ExecutionSettings(search_s=60.0, settle_s=30.0)
"""Longer than usual, for at this speed the machine's own delays are seconds; what is hidden shows before it ends."""
GRACE_S = 3_600.0
"""Likewise: a bar that comes this late is still decided on, for a busy machine may take its time over one."""
LONGEST_S = 4_800.0
"""Venue time after which a trader that has not arrived counts as stuck."""
_POLL_S = 3.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What one trader process is to do."""

    url: str
    journal: str
    """A file, or `postgresql://…#NAME`."""
    folder: Path
    """Of the kill switch, the guards and the heartbeat."""
    wish: Wish
    params: RiskParams
    clock: ScaledClock
    kill: KillPlan | None
    seed: int
    not_before_ns: int = 0
    """Until when it goes on though it has arrived."""


def switch_of(folder: Path, journal: str, clock: ScaledClock) -> KillSwitch:
    """The kill switch of the trader that writes `journal`."""
    return KillSwitch(folder, journal, clock)


def _open_mortal_journal(location: str, clock: ScaledClock) -> MortalJournal:
    """The journal at `location`, as its one writer."""
    address, _, name = location.partition("#")
    return MortalJournal(address, name=name or "trader", clock=clock)


def be_the_trader(pipe: Connection, orders: Orders) -> None:
    """Trade until the wish is reached; after each reconcile wait for a word: the truth is compared meanwhile."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who interrupts a run waits for what is under way
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        asyncio.run(_live(pipe, orders))
    except AGV2Error as error:
        pipe.send(("failed", f"{type(error).__name__}: {error}"))


async def _live(pipe: Connection, orders: Orders) -> None:
    """Start after start: what ends by itself at a venue's word is started again, as a service manager would."""
    clock, reaper = orders.clock, Reaper(orders.kill, pipe, orders.clock)
    with _open_mortal_journal(orders.journal, clock) as journal:
        journal.reaper = reaper
        async with _client(orders, reaper) as client:
            clock.go()
            deadline_ns = clock.now_ns() + int(LONGEST_S * 1e9)
            while clock.now_ns() < deadline_ns:
                try:
                    reason = await _trade(pipe, orders, journal, client, deadline_ns)
                except VenueError:
                    await clock.sleep(2.0)
                    continue
                if reason == _ARRIVED:
                    clock.stand()  # until somebody has compared
                    pipe.send(("done", None))
                    return
    raise AGV2Error(f"the wish {orders.wish} was not reached in {LONGEST_S:g} s")


_ARRIVED, _STUCK = "arrived", "stuck"


async def _trade(
    pipe: Connection, orders: Orders, journal: MortalJournal, client: TradeLockerClient, deadline_ns: int
) -> str:
    """One start; returns why it ended."""
    clock = orders.clock
    model = WishfulModel(orders.wish, orders.params)
    memory = remember(journal, SYMBOL)
    source = await _Source.open(client, clock)
    wanted = WantedBars(source, SYMBOL, MINUTE, UTC, model.bars_needed, memory.done_ns, clock.sleep)
    bars = await venue_bars(wanted, clock)
    broker = await TradeLockerBroker.open(client, {SYMBOL: SymbolAtVenue(SYMBOL, MARKET)}, clock)
    executor = _ObservedExecutor(broker, journal, clock, PATIENCE, sleep=clock.sleep)
    executor.pipe = pipe
    switch = switch_of(orders.folder, orders.journal, clock)
    wished = decode_action(*orders.wish)
    keeps_wish = memory.decision is not None and memory.decision.action == wished and orders.kill is None

    def tell(status: TraderStatus, what: str) -> None:
        if what != "tick":
            return
        if clock.now_ns() > deadline_ns:
            trader.stop(_STUCK)
        elif clock.now_ns() < orders.not_before_ns:
            return
        elif (keeps_wish or status.n_decisions) and _has_arrived(status, executor, orders.wish):
            trader.stop(_ARRIVED)

    parts = TraderParts(
        model=model,
        desk=BrokerDesk(broker, executor, journal, SYMBOL, memory.book),
        feed=bars.feed,
        history=bars.history,
        journal=journal,
        switch=switch,
        clock=clock,
        watch=FeedWatch(MINUTE, GRACE_S, GRACE_S),
        started=Started("live", broker.name, (SYMBOL,), "0", "", "", {}),
        tell=tell,
        venue_now=source.now_ns,
        safeguards=_safeguards(orders, journal, switch),
    )
    trader = Trader(parts, TraderRules("live", SYMBOL, MINUTE, poll_s=_POLL_S / orders.clock.speed))
    return await trader.run()


def _has_arrived(status: TraderStatus, executor: OrderExecutor, wish: Wish) -> bool:
    """Whether everything is settled and what is held is what is wished, as far as a halt lets it."""
    if status.doubt or executor.ledger.unsettled():
        return False
    held = sum(each.units for each in executor.ledger.positions.values())
    halt = status.switch
    if halt.is_thrown:
        return held == 0.0 or not halt.flattens
    if wish[0] == FLAT:
        return held == 0.0
    return held > 0.0 if wish[0] == LONG else held < 0.0


def _safeguards(orders: Orders, journal: MortalJournal, switch: KillSwitch) -> TraderGuards:
    """The guards that need no bundle: both limits of the account, and the feed; and a heartbeat."""
    clock = orders.clock
    guards = Guards(
        model="wish",
        breaker=Breaker(orders.params),
        feed=FeedGuard(MINUTE.nanoseconds, 3_600_000_000_000, 1_000),
        clock=ClockWatch(GRACE_S, 3),
        drift=None,
        entropy=None,
        pnl=None,
        off=(),
    )
    keeper = GuardKeeper(
        guards,
        FileMemory(orders.folder / "guards.json"),
        TraderSwitch(switch),
        lambda record: journal.append(journalled(SYMBOL, record)),
    )
    pulse = Pulse(Heartbeat(orders.folder / "heartbeat.json"), "chaos", 0.5, clock)
    return TraderGuards(keeper, pulse, None, None)


class _ObservedExecutor(OrderExecutor):
    """Tells when it began to reconcile, and waits while somebody looks at what it left."""

    pipe: Connection

    async def reconcile(self) -> ReconcileReport:
        looked_ns = self._clock.now_ns()
        report = await super().reconcile()
        self.pipe.send(("reconciled", looked_ns))
        self.pipe.recv()
        return report


class _Source:
    """The venue's history of the one symbol, over the client that also trades."""

    price_side = "bid"

    def __init__(
        self, client: TradeLockerClient, instrument: VenueInstrument, max_bars: int, clock: ScaledClock
    ) -> None:
        self._client, self._instrument, self._clock = client, instrument, clock
        self.name, self.max_bars = "the fake venue", max_bars

    @classmethod
    async def open(cls, client: TradeLockerClient, clock: ScaledClock) -> "_Source":
        account = await client.account()
        listed = await client.instruments(account.account_id)
        (instrument,) = (each for each in listed if each.name == SYMBOL)
        return cls(client, instrument, (await client.config()).max_bars, clock)

    def now_ns(self) -> int:
        return self._clock.now_ns()

    async def price_history(self, timeframe: Timeframe, from_ns: int, to_ns: int) -> PriceHistory:
        return await self._client.price_history(self._instrument, timeframe, max(from_ns, 0), to_ns)


@asynccontextmanager
async def _client(orders: Orders, reaper: Reaper) -> AsyncIterator[TradeLockerClient]:
    known, clock = FakeLogin(), orders.clock
    login = TradeLockerLogin(orders.url, SecretStr(known.email), SecretStr(known.password), known.server, acc_num=1)
    limiter = RateLimiter(monotonic_ns=clock.now_ns, sleep=clock.sleep)
    async with (
        httpx.AsyncClient(transport=MortalTransport(reaper, orders.seed), timeout=5.0, trust_env=False) as http,
        TradeLockerClient(
            login,
            clock=clock,
            rng=np.random.default_rng(orders.seed),
            http=http,
            session=LoginSession(limiter, TokenKeeper(login)),
            monotonic_ns=clock.now_ns,
            sleep=clock.sleep,
            read_budget_s=20.0,
        ) as client,
    ):
        yield client


def _load_everything() -> None:
    """What each process would otherwise load anew, done once where they are forked from."""
    httpx.AsyncHTTPTransport(verify=False)
    importlib.import_module("anyio._backends._asyncio")
    importlib.import_module("psycopg")
    importlib.import_module("adbc_driver_postgresql.dbapi")
    for record in (Noted("info", ""), IntentMade("", IntentKind.OPEN, "", 1.0, 0.0, 0.0, 1, 1, 0)):
        record_of_json(record.kind, record_to_json(record))


_load_everything()
