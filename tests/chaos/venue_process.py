"""The venue of a chaos run: a process that outlives the traders and knows what really happened."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from multiprocessing.connection import Connection

import numpy as np

from agv2.core.bars import Bars
from agv2.core.timeframes import Timeframe
from agv2.tradelocker.fake.faults import FaultPlan, FaultRule
from agv2.tradelocker.fake.listings import Listing
from agv2.tradelocker.fake.rules import VenueRules
from agv2.tradelocker.fake.server import FakeTradeLocker
from tests.chaos.scaled_clock import START_NS, ScaledClock

__all__ = ["SYMBOL", "Truth", "be_the_venue"]

SYMBOL = "ETHUSD"
N_BARS = 600
N_BEFORE = 10
"""Bars before the clock begins: what a trader's first look is made of."""


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
        close[N_BEFORE + crash_bar :] = np.round(close[N_BEFORE + crash_bar :] * 0.9, 2)
    opens = np.concatenate([close[:1], close[:-1]])
    if crash_bar is not None:
        opens[N_BEFORE + crash_bar] = close[N_BEFORE + crash_bar]  # through every stop
    high, low = np.maximum(opens, close), np.minimum(opens, close)
    stamps = START_NS + (np.arange(N_BARS, dtype=np.int64) - N_BEFORE) * 60_000_000_000
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who interrupts a run waits for what is under way
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
