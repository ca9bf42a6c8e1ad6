"""Seeded schedules of kills and faults, carried out and judged against the venue's true ledger."""

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from agv2.execution.journal import JournalReader
from agv2.execution.journal_records import FillSeen, IntentMade, Killed
from agv2.execution.order_ledger import OrderLedger
from agv2.execution.order_track import IntentKind
from agv2.tradelocker.fake.faults import FaultKind, FaultRule
from agv2.tradelocker.fake.rules import VenueRules
from tests.chaos.processes import KillPlan, Orders, ScaledClock, Truth, be_the_trader, be_the_venue

__all__ = ["ChaosResult", "Schedule", "a_schedule", "carry_out", "every_kill_of_a_life"]

SPEED = 60.0
PATIENCE_S = 60.0
_MOST_LAST_TRADERS = 4
"""The market goes on while processes end: what was reached may be stopped out before the books are held together."""
ACCOUNT = "/trade/accounts/*"
ORDERS = "/trade/accounts/*/orders"
POSITION = "/trade/positions/*"
TARGETS = (3.0, -2.0, 1.5, 0.0)
_STARTING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Schedule:
    """What happens to a trader that wants these targets one after another."""

    seed: int
    targets: tuple[float, ...]
    kills: tuple[tuple[KillPlan, ...], ...]
    """For each target: kills of the processes that pursue it, one a process."""
    faults: tuple[FaultRule, ...]
    rules: VenueRules
    crash_bar: int | None
    """Bar from which on prices are 10 % lower: stops fire."""


@dataclass(slots=True)
class ChaosResult:
    """What one schedule came to."""

    seed: int
    kills: list[str]
    """Named points at which a process died, in order."""
    faults: int
    orders: int
    fills: int
    reconciles: int
    unprotected_reconciles: int
    """Reconciles that returned while the venue's truth had a position without a stop."""
    wall_s: float
    problems: list[str]

    def as_json(self) -> dict[str, Any]:
        """For a line of the result file."""
        return asdict(self)


def a_schedule(seed: int) -> Schedule:
    """Targets, kills and faults drawn from `seed`."""
    rng = np.random.default_rng([20_261_123, seed])
    targets = [float(rng.choice([3.0, -2.0]))]
    targets += [
        float(rng.choice([each for each in TARGETS if each != targets[-1]])) for _ in range(int(rng.integers(0, 3)))
    ]
    kills = tuple(tuple(_a_kill(rng) for _ in range(int(rng.integers(1, 3)))) for _ in targets)
    faults = tuple(_a_fault(rng) for _ in range(int(rng.integers(0, 5))))
    rules = VenueRules(
        closed_after_ns=None,
        fill_delay_ns=int(rng.choice([0, 0, 1, 3]) * 1_000_000_000),
        visible_after_ns=int(rng.choice([0, 0, 5, 30]) * 1_000_000_000),
        slippage_ticks=int(rng.integers(0, 3)),
        no_content=bool(rng.integers(0, 2)),
        reversed_columns=bool(rng.integers(0, 2)),
    )
    crash_bar = int(rng.integers(1, 4)) if rng.random() < 0.25 else None
    return Schedule(seed, tuple(targets), kills, faults, rules, crash_bar)


def _a_kill(rng: np.random.Generator) -> KillPlan:
    if rng.random() < 0.5:
        return KillPlan("journal", int(rng.integers(1, 11)), str(rng.choice(["before", "after"])))
    return KillPlan("http", int(rng.integers(1, 31)), str(rng.choice(["before", "during", "after"])))


def _a_fault(rng: np.random.Generator) -> FaultRule:
    first = int(rng.integers(1, 4))
    on_orders = [
        FaultRule(FaultKind.LOST_ANSWER, method="POST", path=ORDERS, first=first),
        FaultRule(FaultKind.RESET, method="POST", path=ORDERS, first=first),
        FaultRule(FaultKind.SERVER_ERROR, method="POST", path=ORDERS, first=first, processed=bool(rng.integers(0, 2))),
        FaultRule(FaultKind.TIMEOUT, method="POST", path=ORDERS, first=first, processed=True, seconds=0.05),
        FaultRule(FaultKind.MALFORMED_JSON, method="POST", path=ORDERS, first=first),
        FaultRule(FaultKind.NO_ORDER_ID, first=first),
        FaultRule(FaultKind.REFUSED_ORDER, first=first),
        FaultRule(FaultKind.LATE_REJECT, first=first),
        FaultRule(FaultKind.PARTIAL_FILL, first=first),
        FaultRule(FaultKind.DROPPED_BRACKET, first=first, times=2),
        FaultRule(FaultKind.DELAYED_VISIBILITY, first=first, seconds=float(rng.uniform(1.0, 40.0))),
        FaultRule(FaultKind.TOKEN_EXPIRED, method="POST", path=ORDERS, first=first),
        FaultRule(FaultKind.TOO_MANY_REQUESTS, method="POST", path=ORDERS, first=first, retry_after_s=3),
    ]
    elsewhere = [
        FaultRule(FaultKind.LOST_ANSWER, method="DELETE", path=POSITION, first=first),
        FaultRule(FaultKind.RESET, method="DELETE", path=POSITION, first=first),
        FaultRule(FaultKind.LOST_ANSWER, method="PATCH", path=POSITION, first=first),
        FaultRule(FaultKind.RESET, method="PATCH", path=POSITION, first=first, times=2),
        FaultRule(FaultKind.SERVER_ERROR, method="GET", path=f"{ACCOUNT}/*", first=3 * first, times=4),
        FaultRule(FaultKind.LOGIN_REVOKED, first=4 * first),
        FaultRule(FaultKind.HTML_PAGE, method="GET", path=f"{ACCOUNT}/*", first=2 * first, times=2),
    ]
    drawn = on_orders if rng.random() < 0.65 else elsewhere
    return drawn[int(rng.integers(len(drawn)))]


class _Venue:
    """The venue's process, spoken to over a pipe."""

    def __init__(self, context: Any, clock: ScaledClock, schedule: Schedule) -> None:
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=be_the_venue,
            args=(theirs, clock, schedule.seed, schedule.crash_bar, schedule.rules, schedule.faults),
        )
        self._process.start()
        self.url: str = self._answer()
        self.looked_ns = 0
        """When a trader last began to reconcile."""

    def truth(self, word: str = "truth") -> Truth:
        self._pipe.send(word)
        truth: Truth = self._answer()
        return truth

    def _answer(self) -> Any:
        if not self._pipe.poll(PATIENCE_S):
            raise TimeoutError("the venue's process does not answer")
        return self._pipe.recv()

    def stop(self) -> None:
        self._pipe.send("stop")
        self._process.join(PATIENCE_S)


def _context() -> BaseContext:
    # Each process is forked from a server that has loaded everything: a start takes milliseconds, its state is fresh.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.chaos.processes"])
    # Plain kernels for the server alone, which then has nothing to compile; schedules are carried out in threads.
    with _STARTING, patch.dict(os.environ, {"AGV2_PLAIN_KERNELS": "1"}):
        forkserver.ensure_running()
    return context


def carry_out(schedule: Schedule, directory: Path) -> ChaosResult:
    """Run the schedule in processes of its own and hold what is left against the venue's truth."""
    started_s = time.perf_counter()
    result = ChaosResult(schedule.seed, [], 0, 0, 0, 0, 0, 0.0, [])
    context = _context()
    clock = ScaledClock(directory / f"clock-{schedule.seed}", SPEED)
    clock.begin()
    venue = _Venue(context, clock, schedule)
    journal = directory / f"journal-{schedule.seed}.db"
    try:
        for target, kills in zip(schedule.targets, schedule.kills, strict=True):
            for kill in (*kills, None):
                orders = Orders(venue.url, journal, target, clock, kill, schedule.seed)
                if not _run_trader(context, orders, venue, result):
                    break
        if not result.problems:
            venue.truth("calm")
            last = Orders(venue.url, journal, schedule.targets[-1], clock, None, schedule.seed)
            for _ in range(_MOST_LAST_TRADERS):
                if _run_trader(context, last, venue, result):
                    result.problems.append("the last trader was killed by somebody else")
                truth = venue.truth()
                if truth.last_fill_ns + schedule.rules.visible_after_ns < venue.looked_ns:
                    break  # else a stop or target may have fired after the trader had looked for the last time
            result.problems += list(_compare(truth, journal, schedule.targets[-1]))
            if truth.most_units > max(abs(each) for each in schedule.targets) + 1e-9:
                result.problems.append(f"{truth.most_units:g} units were held at once")
            result.faults, result.orders, result.fills = truth.faults, sum(truth.orders.values()), len(truth.fills)
    finally:
        venue.stop()
    result.wall_s = round(time.perf_counter() - started_s, 2)
    return result


def _run_trader(context: Any, orders: Orders, venue: _Venue, result: ChaosResult) -> bool:
    """Whether the trader died before it arrived."""
    pipe, theirs = context.Pipe()
    process = context.Process(target=be_the_trader, args=(theirs, orders))
    process.start()
    theirs.close()
    killed = False
    try:
        while pipe.poll(PATIENCE_S):
            word, value = pipe.recv()
            if word == "reconciled":
                result.reconciles += 1
                venue.looked_ns = value
                if venue.truth().unprotected:
                    result.unprotected_reconciles += 1
                pipe.send("go on")
            elif word == "killed":
                killed = True
                result.kills.append(value)
                break
            elif word == "failed":
                result.problems.append(value)
                break
            else:
                break
        else:
            result.problems.append("a trader hangs")
            process.kill()
    except EOFError:
        result.problems.append("a trader ended without a word")
    process.join(PATIENCE_S)
    # 255: multiprocessing's fork server lost the status on its way; that it died is known all the same.
    if killed and process.exitcode not in (-9, 255):
        result.problems.append(f"a trader that was to be killed ended with {process.exitcode}")
    return killed


def _compare(truth: Truth, path: Path, target: float) -> Iterator[str]:
    """What of the promises does not hold."""
    with JournalReader(path) as journal:
        ledger = OrderLedger.load(journal)
        fills = [entry.record.fill for entry in journal.entries(kinds=[FillSeen]) if isinstance(entry.record, FillSeen)]
        intents = {
            entry.record.intent_id
            for entry in journal.entries(kinds=[IntentMade])
            if isinstance(entry.record, IntentMade) and entry.record.what is IntentKind.OPEN
        }
        kills = [entry.record for entry in journal.entries(kinds=[Killed])]
    if truth.unsound:
        yield f"the venue's books: {truth.unsound}"
    for name, count in truth.orders.items():
        if count > 1:
            yield f"{count} orders for the intent {name}"
        if name not in intents:
            yield f"the order {name} is not in the journal"
    for name, count in truth.requests.items():
        if count > 1:
            yield f"{count} requests for the intent {name}"
        if name not in intents:
            yield f"the request {name} is not in the journal"
    if abs(truth.units - target) > 1e-9:
        yield f"the venue holds {truth.units:g}, the target is {target:g}"
    if truth.unprotected:
        yield f"positions without a stop: {truth.unprotected}"
    ours = {each.position_id for each in ledger.positions.values()}
    if set(truth.positions) != ours:
        yield f"positions at the venue {sorted(truth.positions)}, in the journal {sorted(ours)}"
    if ledger.unsettled():
        yield f"unsettled: {[track.intent_id for track in ledger.unsettled()]}"
    if kills:
        yield f"the kill switch was thrown: {kills}"
    yield from _compare_fills(truth, {fill.fill_id: fill.side * fill.units for fill in fills}, sum(
        fill.side * fill.units * fill.price for fill in fills))  # fmt: skip


def _compare_fills(truth: Truth, known: dict[str, float], money: float) -> Iterator[str]:
    happened: dict[str, float] = {}
    for order_id, side, units, _ in truth.fills:
        happened[order_id] = happened.get(order_id, 0.0) + side * units
    if set(happened) != set(known):
        yield f"fills at the venue {sorted(happened)}, in the journal {sorted(known)}"
    elif any(abs(happened[each] - known[each]) > 1e-9 for each in known):
        yield f"fills differ: {happened} at the venue, {known} in the journal"
    paid = sum(side * units * price for _, side, units, price in truth.fills)
    if abs(paid - money) > 1e-6:
        yield f"paid {paid:.6f} at the venue, {money:.6f} by the journal"


def every_kill_of_a_life(first: int, where: str, number: int) -> list[Schedule]:
    """A kill at one journal write or HTTP call, at each of its moments, on the way to the `first` of two targets.

    The caller counts `number` up until nobody dies any more: then each has been killed at.
    """
    moments = ("before", "after") if where == "journal" else ("before", "during", "after")
    schedules = []
    for place, moment in enumerate(moments):
        kills = tuple((KillPlan(where, number, moment),) if at == first else () for at in range(2))
        seed = 100_000 * (1 + first) + (50_000 if where == "http" else 0) + 10 * number + place
        # Slow to fill and slower to show: the venue knows of the order, and a restarted trader cannot see it yet.
        rules = VenueRules(closed_after_ns=None, fill_delay_ns=1_000_000_000, visible_after_ns=45_000_000_000)
        schedules.append(Schedule(seed, (3.0, -2.0), kills, (), rules, None))
    return schedules
