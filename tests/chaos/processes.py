"""The two processes of a chaos run: a venue whose truth survives, and a trader that is killed.

Both run on one clock, faster than the wall's. The trader kills itself by SIGKILL at a numbered journal write or HTTP
call: to its journal and to the venue that is no other than a kill from outside, and it can be ordered exactly.
"""

import asyncio
import importlib
import mmap
import os
import signal
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from pydantic import SecretStr

from agv2.core.bars import Bars
from agv2.core.errors import AGV2Error, VenueError
from agv2.core.instruments import Market
from agv2.core.orders import FillReason, Order
from agv2.core.timeframes import Timeframe
from agv2.execution.execution_reports import ExecutionSettings, ReconcileReport, Target
from agv2.execution.journal import Journal
from agv2.execution.journal_records import IntentMade, JournalRecord, Noted, record_of_json, record_to_json
from agv2.execution.order_executor import OrderExecutor
from agv2.execution.order_track import IntentKind
from agv2.execution.tradelocker_broker import SymbolAtVenue, TradeLockerBroker
from agv2.tradelocker.auth import TokenKeeper
from agv2.tradelocker.client import TradeLockerClient
from agv2.tradelocker.fake.faults import FaultPlan, FaultRule
from agv2.tradelocker.fake.listings import FakeLogin, Listing
from agv2.tradelocker.fake.rules import VenueRules
from agv2.tradelocker.fake.server import FakeTradeLocker
from agv2.tradelocker.login import TradeLockerLogin
from agv2.tradelocker.rate_limiter import RateLimiter
from agv2.tradelocker.session import LoginSession

__all__ = ["START_NS", "KillPlan", "Orders", "Truth", "be_the_trader", "be_the_venue"]

START_NS = 1_772_445_600_000_000_000
SYMBOL = "ETHUSD"
MARKET = Market(10.0, 0.01, 0.01, 100.0, 0.01, 20.0, 0.0)
N_BARS = 600
PATIENCE = ExecutionSettings(search_s=60.0, settle_s=30.0)
"""Longer than usual, for at this speed the machine's own delays are seconds; what is hidden shows before it ends."""
LONGEST_S = 1_800.0
"""Venue time after which a trader that has not reached its target counts as stuck."""


def _load_everything() -> None:
    """What each process would otherwise load anew, done once where they are forked from."""
    httpx.AsyncHTTPTransport(verify=False)
    importlib.import_module("anyio._backends._asyncio")
    for record in (Noted("info", ""), IntentMade("", IntentKind.OPEN, "", 1.0, 0.0, 0.0, 1, 1, 0)):
        record_of_json(record.kind, record_to_json(record))


class ScaledClock:
    """`speed` venue seconds a second, the same in every process, and none while `path` says that it stands.

    It stands while a killed trader is started again: that takes long on this scale, and would let all doubts pass.
    """

    def __init__(self, path: Path, speed: float) -> None:
        self._path, self._speed = path, speed
        self._shared: mmap.mmap | None = None

    def __getstate__(self) -> tuple[Path, float]:
        return self._path, self._speed

    def __setstate__(self, state: tuple[Path, float]) -> None:
        self._path, self._speed = state
        self._shared = None

    def begin(self) -> None:
        """Make the file; the clock stands at its start."""
        now_ns = time.monotonic_ns()
        self._path.write_bytes(struct.pack("qq", now_ns, now_ns))

    def stand(self) -> None:
        """Stop, unless it stands."""
        zero_ns, stands_ns = self._read()
        if not stands_ns:
            self._write(zero_ns, time.monotonic_ns())

    def go(self) -> None:
        """Go on from where it stands."""
        zero_ns, stands_ns = self._read()
        if stands_ns:
            self._write(zero_ns + time.monotonic_ns() - stands_ns, 0)

    def now_ns(self) -> int:
        zero_ns, stands_ns = self._read()
        return START_NS + int(((stands_ns or time.monotonic_ns()) - zero_ns) * self._speed)

    def sleep_until(self, ts_ns: int) -> None:
        while (left_ns := ts_ns - self.now_ns()) > 0:
            time.sleep(left_ns / self._speed / 1e9)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)

    def _map(self) -> mmap.mmap:
        if self._shared is None:
            with self._path.open("r+b") as file:
                self._shared = mmap.mmap(file.fileno(), 16)
        return self._shared

    def _read(self) -> tuple[int, int]:
        zero_ns, stands_ns = struct.unpack("qq", self._map()[:])
        return zero_ns, stands_ns

    def _write(self, zero_ns: int, stands_ns: int) -> None:
        self._map()[:] = struct.pack("qq", zero_ns, stands_ns)


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened, by the venue's own ledger."""

    units: float
    """Signed, open."""
    most_units: float
    """Held at any time, both sides added up."""
    unprotected: tuple[str, ...]
    orders: dict[str, int]
    """Accepted orders by strategy id."""
    requests: dict[str, int]
    """Requests to place an order, by strategy id, whatever became of them."""
    fills: tuple[tuple[str, int, float, float], ...]
    """Order id, side, units, price of everything that filled."""
    last_fill_ns: int
    """0: nothing filled."""
    positions: tuple[str, ...]
    faults: int
    """Requests that a fault hit."""
    unsound: tuple[str, ...]
    """What in the venue's own books contradicts itself."""


def _prices(seed: int, crash_bar: int | None) -> Bars:
    rng = np.random.default_rng(seed)
    close = np.round(100.0 * np.exp(np.cumsum(rng.normal(0.0, 2e-4, N_BARS))), 2)
    if crash_bar is not None:
        close[crash_bar:] = np.round(close[crash_bar:] * 0.9, 2)
    opens = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(opens, close), np.minimum(opens, close)
    stamps = START_NS + np.arange(N_BARS, dtype=np.int64) * 60_000_000_000
    unknown = np.full(N_BARS, np.nan)
    return Bars(SYMBOL, Timeframe(1), stamps, opens, high, low, close, unknown, unknown.copy())


def be_the_venue(
    pipe: Connection,
    clock: ScaledClock,
    seed: int,
    crash_bar: int | None,
    rules: VenueRules,
    faults: Sequence[FaultRule],
) -> None:
    """Serve until told `stop`; `truth` is answered with a `Truth`, `calm` ends all faults."""
    listing = Listing(SYMBOL, _prices(seed, crash_bar), lot_size=Decimal(10), spread=Decimal("0.02"))
    plan = FaultPlan()
    with FakeTradeLocker([listing], clock=clock, rules=rules, faults=plan) as fake:
        plan.add(*faults)
        pipe.send(fake.url)
        while (word := pipe.recv()) != "stop":
            if word == "calm":
                plan.clear()
            pipe.send(_truth(fake))


def _truth(fake: FakeTradeLocker) -> Truth:
    fake.now_ns  # noqa: B018 - lets everything until now happen
    entries = [order for order in fake.orders() if order.strategy_id is not None and not order.is_leg]
    orders: dict[str, int] = {}
    for order in entries:
        orders[order.strategy_id or ""] = orders.get(order.strategy_id or "", 0) + 1
    requests: dict[str, int] = {}
    for request in fake.requests:
        if request.method == "POST" and request.path.endswith("/orders") and isinstance(request.body, dict):
            name = request.body.get("strategyId")
            if name is not None:  # killed in the middle of a request, its body never came
                requests[name] = requests.get(name, 0) + 1
    return Truth(
        units=float(sum((int(each.side) * each.qty for each in fake.open_positions()), Decimal(0)) * 10),
        most_units=_most_units(fake),
        unprotected=tuple(each.position_id for each in fake.unprotected_positions()),
        orders=orders,
        requests=requests,
        fills=tuple(
            (each.order_id, int(each.side), float(each.qty * 10), float(each.price)) for each in fake.executions
        ),
        last_fill_ns=max((each.ts_ns for each in fake.executions), default=0),
        positions=tuple(each.position_id for each in fake.open_positions()),
        faults=sum(bool(request.faults) for request in fake.requests),
        unsound=tuple(fake.check()),
    )


def _most_units(fake: FakeTradeLocker) -> float:
    held = most = Decimal(0)
    for each in fake.executions:
        held += each.qty if each.opens else -each.qty
        most = max(most, held)
    return float(most * 10)


@dataclass(frozen=True, slots=True)
class KillPlan:
    """Where a trader dies: at its `number`-th journal write or HTTP call, counted from its start."""

    where: str
    """`journal` or `http`."""
    number: int
    moment: str
    """`before`, `after`, and of HTTP `during`: the request has left, the answer has not been read."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What one trader process is to do."""

    url: str
    journal: Path
    target: float
    clock: ScaledClock
    kill: KillPlan | None
    seed: int
    enough_reconciles: int = 0
    """Reconciles after which it ends though its target is not reached; 0: never."""
    extra: dict[str, Any] = field(default_factory=dict)


class _Reaper:
    """Counts, and kills at the count that was ordered."""

    def __init__(self, plan: KillPlan | None, pipe: Connection, clock: ScaledClock) -> None:
        self._plan, self._pipe, self._clock = plan, pipe, clock
        self.counts = {"journal": 0, "http": 0}

    def count(self, where: str) -> int:
        self.counts[where] += 1
        return self.counts[where]

    def is_due(self, where: str, number: int, moment: str) -> bool:
        return self._plan == KillPlan(where, number, moment)

    def kill(self, name: str) -> None:
        self._clock.stand()
        self._pipe.send(("killed", name))
        os.kill(os.getpid(), signal.SIGKILL)


class _MortalJournal(Journal):
    reaper: _Reaper

    def append(self, *records: JournalRecord) -> int:
        number = self.reaper.count("journal")
        name = "+".join(record.kind for record in records)
        if self.reaper.is_due("journal", number, "before"):
            self.reaper.kill(f"journal {name} before")
        last = super().append(*records)
        if self.reaper.is_due("journal", number, "after"):
            self.reaper.kill(f"journal {name} after")
        return last


class _MortalTransport(httpx.AsyncBaseTransport):
    def __init__(self, reaper: _Reaper, seed: int) -> None:
        self._inner = httpx.AsyncHTTPTransport(verify=False)
        self._reaper = reaper
        self._rng = np.random.default_rng(seed)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        number = self._reaper.count("http")
        name = f"{request.method} {request.url.path.rpartition('/')[2] if request.method != 'DELETE' else 'position'}"
        if request.method == "PATCH":
            name = "PATCH position"
        if self._reaper.is_due("http", number, "before"):
            self._reaper.kill(f"http {name} before")
        if self._reaper.is_due("http", number, "during"):
            task = asyncio.create_task(self._inner.handle_async_request(request))
            await asyncio.wait([task], timeout=float(self._rng.uniform(0.0, 0.01)))
            self._reaper.kill(f"http {name} during")
        response = await self._inner.handle_async_request(request)
        if self._reaper.is_due("http", number, "after"):
            await response.aread()
            self._reaper.kill(f"http {name} after")
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def be_the_trader(pipe: Connection, orders: Orders) -> None:
    """Bring the venue to the target and end; after each reconcile wait for a word: the truth is compared meanwhile."""
    import logging

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        asyncio.run(_trade(pipe, orders))
    except AGV2Error as error:
        pipe.send(("failed", f"{type(error).__name__}: {error}"))


async def _trade(pipe: Connection, orders: Orders) -> None:
    reaper, clock = _Reaper(orders.kill, pipe, orders.clock), orders.clock
    known = FakeLogin()
    login = TradeLockerLogin(orders.url, SecretStr(known.email), SecretStr(known.password), known.server, acc_num=1)
    journal = _MortalJournal(orders.journal, clock=clock)
    journal.reaper = reaper
    limiter = RateLimiter(monotonic_ns=clock.now_ns, sleep=clock.sleep)
    async with (
        httpx.AsyncClient(transport=_MortalTransport(reaper, orders.seed), timeout=5.0, trust_env=False) as http,
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
        clock.go()
        deadline_ns = clock.now_ns() + int(LONGEST_S * 1e9)
        broker: TradeLockerBroker | None = None
        executor: OrderExecutor | None = None
        reconciles = 0
        while clock.now_ns() < deadline_ns:
            try:
                if broker is None:
                    broker = await TradeLockerBroker.open(client, {SYMBOL: SymbolAtVenue(SYMBOL, MARKET)}, clock)
                if executor is None:
                    executor = OrderExecutor(broker, journal, clock, PATIENCE, sleep=clock.sleep)
                looked_ns = clock.now_ns()
                report = await executor.reconcile()
                reconciles += 1
                pipe.send(("reconciled", looked_ns))
                pipe.recv()
                if _has_arrived(executor, report, orders.target) or reconciles == orders.enough_reconciles:
                    clock.stand()  # until somebody has compared
                    pipe.send(("done", dict(reaper.counts)))
                    return
                await _pursue(executor, broker, report, orders.target, clock)
            except VenueError:
                await clock.sleep(2.0)
        raise AGV2Error(f"target {orders.target:g} not reached in {LONGEST_S:g} s")


def _has_arrived(executor: OrderExecutor, report: ReconcileReport, target: float) -> bool:
    held = sum(each.units for each in report.ours)
    return abs(held - target) < 1e-6 and report.may_open and not executor.ledger.unsettled()


async def _pursue(
    executor: OrderExecutor, broker: TradeLockerBroker, report: ReconcileReport, target: float, clock: ScaledClock
) -> None:
    """The constant policy: the target, with a stop 5 % and a target 10 % away from the present price."""
    quote = await broker.quote(SYMBOL)
    held = sum(each.units for each in report.ours)
    side = 1 if target > 0.0 else -1
    stop, take = (quote.bid * (1.0 - 0.05 * side), quote.bid * (1.0 + 0.1 * side)) if target else (0.0, 0.0)
    reason = FillReason.ENTRY if target else FillReason.EXIT
    order = Order(executor.ledger.next_order_id(), target - held, stop, take, reason.value, clock.now_ns())
    await executor.pursue(Target(SYMBOL, order, held))


_load_everything()
