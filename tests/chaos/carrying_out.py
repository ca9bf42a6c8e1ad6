"""One schedule carried out in processes of its own and judged."""

import multiprocessing
import os
import threading
import time
import uuid
from dataclasses import asdict, dataclass, field
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any
from unittest.mock import patch

from agv2.execution.journal_records import DecisionMade, Killed
from agv2.execution.kill_switch import KillSwitch
from agv2.risk.config import RiskParams
from tests.chaos.judgement import broken_promises, read_records
from tests.chaos.mortality import KillPlan
from tests.chaos.scaled_clock import START_NS, ScaledClock
from tests.chaos.schedules import NO_LIMIT, Schedule
from tests.chaos.trader_process import MINUTE, Orders, be_the_trader, switch_of
from tests.chaos.venue_process import Truth, be_the_venue
from tests.wishful_model import Wish, limits_of

__all__ = ["SPEED", "ChaosResult", "carry_out"]

SPEED = 40.0
PATIENCE_S = 90.0
_MOST_LAST_TRADERS = 4
"""The market goes on while processes end: what was reached may be stopped out before the books are held together."""
_STARTING = threading.Lock()


@dataclass(slots=True)
class ChaosResult:
    """What one schedule came to."""

    seed: int
    journal: str
    """`sqlite` or `postgres`."""
    kills: list[str] = field(default_factory=list)
    """Named points at which a process died, in order."""
    starts: int = 0
    faults: int = 0
    decisions: int = 0
    orders: int = 0
    fills: int = 0
    halts: int = 0
    reconciles: int = 0
    unprotected_reconciles: int = 0
    """Reconciles that returned while the venue's truth had a position without a stop."""
    longest_unprotected: int = 0
    """Reconciles in a row that left one and the same position without a stop."""
    wall_s: float = 0.0
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For a line of the result file."""
        return asdict(self)


def carry_out(schedule: Schedule, directory: Path, postgres: str | None = None, speed: float = SPEED) -> ChaosResult:
    """Run the schedule and hold what is left against the venue's truth.

    Args:
        schedule: what happens.
        directory: for files; one schedule's have names of their own.
        postgres: address of a server for the journal of a schedule that wants one; None: it has a file too.
        speed: venue seconds a second; a machine that is too busy for it never catches up with the bars.
    """
    started_s = time.perf_counter()
    is_there = schedule.postgres and postgres is not None
    course = _Course(schedule, directory, postgres if is_there else None, speed)
    try:
        course.run()
    except TimeoutError as error:
        course.result.problems.append(str(error))
    finally:
        course.stop()
    course.result.wall_s = round(time.perf_counter() - started_s, 2)
    return course.result


class _Course:
    """A schedule under way: a venue, a clock, a journal, and one trader after another."""

    def __init__(self, schedule: Schedule, directory: Path, postgres: str | None, speed: float) -> None:
        self.result = ChaosResult(schedule.seed, "sqlite" if postgres is None else "postgres")
        self._schedule = schedule
        self._folder = directory / f"schedule-{schedule.seed}"
        self._folder.mkdir()
        name = f"chaos_{schedule.seed}_{uuid.uuid4().hex[:8]}"
        self._journal = str(self._folder / "journal.sqlite") if postgres is None else f"{postgres}#{name}"
        self._clock = ScaledClock(self._folder / "clock", speed)
        self._clock.begin()
        self._context = _context()
        self._venue = _Venue(self._context, self._clock, schedule)
        self._unprotected: dict[str, int] = {}
        self._not_before_ns = 0
        self._is_calm = False

    @property
    def _switch(self) -> KillSwitch:
        return switch_of(self._folder, self._journal, self._clock)

    @property
    def _params(self) -> RiskParams:
        return limits_of(self._schedule.daily_loss_frac)

    def run(self) -> None:
        schedule, result = self._schedule, self.result
        if schedule.crash_bar is not None:
            self._not_before_ns = START_NS + (schedule.crash_bar + 1) * MINUTE.nanoseconds
        for wish, kills in zip(schedule.wishes, schedule.kills, strict=True):
            for kill in (*kills, None):
                if not self._one_trader(wish, kill):
                    break
            if result.problems:
                return
            self._not_before_ns = 0
        if schedule.halt is not None and schedule.halt.rearmed and self._switch.state().is_thrown:
            self._switch.rearm("all is well", "anna")
        truth = self._last_traders()
        records, switch = read_records(self._journal), self._switch.state()
        may_halt = schedule.halt is not None or schedule.daily_loss_frac < NO_LIMIT
        result.problems += broken_promises(truth, records, switch, schedule.wishes[-1], self._params, may_halt=may_halt)
        made = [entry.record for entry in records.of(DecisionMade) if isinstance(entry.record, DecisionMade)]
        most = max((abs(each.book.units + each.plan.order.units) for each in made), default=0.0)
        if truth.most_units > most + 1e-9:
            result.problems.append(f"{truth.most_units:g} units were held at once, {most:g} wanted")
        result.decisions, result.halts = len(made), len(records.of(Killed))
        result.faults, result.orders, result.fills = truth.faults, sum(truth.orders.values()), len(truth.fills)

    def _last_traders(self) -> Truth:
        """One that meets no fault and is not killed; more while something happens behind its back."""
        schedule = self._schedule
        truth, self._is_calm = self._venue.truth("calm"), True
        for _ in range(_MOST_LAST_TRADERS):
            if self._one_trader(schedule.wishes[-1], None):
                self.result.problems.append("the last trader was killed by somebody else")
            truth = self._venue.truth()
            if truth.last_fill_ns + schedule.rules.visible_after_ns < self._venue.looked_ns:
                break  # else a stop or target may have fired after the trader had looked for the last time
        return truth

    def _one_trader(self, wish: Wish, kill: KillPlan | None) -> bool:
        """Whether the trader died before it arrived."""
        result, pipe, theirs = self.result, *self._context.Pipe()
        orders = Orders(
            self._venue.url, self._journal, self._folder, wish, self._params, self._clock, kill, self._schedule.seed,
            self._not_before_ns,
        )  # fmt: skip
        process: Any = getattr(self._context, "Process")(target=be_the_trader, args=(theirs, orders))  # noqa: B009
        process.start()
        theirs.close()
        result.starts += 1
        killed = False
        try:
            while pipe.poll(PATIENCE_S):
                word, value = pipe.recv()
                if word == "reconciled":
                    self._reconciled(value)
                    pipe.send("go on")
                    continue
                killed = word == "killed"
                if killed:
                    result.kills.append(value)
                elif word == "failed":
                    result.problems.append(value)
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

    def _reconciled(self, looked_ns: int) -> None:
        result, halt = self.result, self._schedule.halt
        result.reconciles += 1
        self._venue.looked_ns = looked_ns
        bare = self._venue.truth().unprotected
        self._unprotected = {each: self._unprotected.get(each, 0) + 1 for each in bare}
        result.unprotected_reconciles += bool(bare)
        result.longest_unprotected = max([result.longest_unprotected, *self._unprotected.values()])
        if halt is not None and not self._is_calm and result.reconciles == halt.reconcile:
            self._switch.throw("enough for today", "anna", flatten=halt.flattens)

    def stop(self) -> None:
        self._venue.stop()


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
    context.set_forkserver_preload(["tests.chaos.trader_process"])
    # Plain kernels for the server alone, which then has nothing to compile; schedules are carried out in threads.
    with _STARTING, patch.dict(os.environ, {"AGV2_PLAIN_KERNELS": "1"}):
        forkserver.ensure_running()
    return context
