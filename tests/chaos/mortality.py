"""A trader that kills itself by SIGKILL at a numbered journal write or HTTP call.

To its journal and to the venue that is no other than a kill from outside, and it can be ordered exactly.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np

from agv2.execution.journal import Journal
from agv2.execution.journal_records import JournalRecord
from agv2.execution.journal_store.sqlite_store import SqliteJournal
from tests.chaos.scaled_clock import ScaledClock

if TYPE_CHECKING:
    import psycopg

__all__ = ["KillPlan", "MortalJournal", "MortalTransport", "Reaper"]


@dataclass(frozen=True, slots=True)
class KillPlan:
    """Where a trader dies: at its `number`-th journal write or HTTP call, counted from its start."""

    where: str
    """`journal` or `http`: any of them is counted; or only those of a name, such as `journal request`."""
    number: int
    moment: str
    """`before`, `during` or `after`. During a write: its rows are inserted, the commit has not been sent. During an
    HTTP call: the request has left, the answer has not been read. Of PostgreSQL also `commit`: that was sent, and
    nobody waits for the answer."""


class Reaper:
    """Counts, and kills at the count that was ordered."""

    def __init__(self, plan: KillPlan | None, pipe: Connection, clock: ScaledClock) -> None:
        self._plan, self._pipe, self._clock = plan, pipe, clock
        self._counts: Counter[str] = Counter()

    def reached(self, where: str, name: str) -> Callable[[str], bool]:
        """Another write or call; the answer says whether its user is to die at a moment of it."""
        places = (where, f"{where} {name}")
        for place in places:
            self._counts[place] += 1
        plans = [(place, self._counts[place]) for place in places]
        plan = self._plan
        return lambda moment: plan is not None and plan.moment == moment and (plan.where, plan.number) in plans

    def kill(self, name: str) -> None:
        self._clock.stand()
        self._pipe.send(("killed", name))
        os.kill(os.getpid(), signal.SIGKILL)


class MortalJournal(Journal):
    """A journal whose writer dies at a write; `reaper` is set once it is open."""

    reaper: Reaper

    def append(self, *records: JournalRecord) -> int:
        reaper, name = self.reaper, "+".join(dict.fromkeys(record.kind for record in records))
        is_due = reaper.reached("journal", name)
        if is_due("before"):
            reaper.kill(f"journal {name} before")
        for moment in ("during", "commit"):
            if is_due(moment):
                self._die_within(moment, partial(reaper.kill, f"journal {name} {moment}"))
        last = super().append(*records)
        if is_due("after"):
            reaper.kill(f"journal {name} after")
        return last

    def _die_within(self, moment: str, kill: Callable[[], None]) -> None:
        store: Any = self._store
        if isinstance(store, SqliteJournal):
            store._connection.set_trace_callback(lambda statement: kill() if statement == "COMMIT" else None)
        else:
            store._session = _LastTransaction(store._session, moment, kill)


class _LastTransaction:
    """A PostgreSQL session whose user dies when the work is done and not, or not knowingly, committed."""

    def __init__(self, inner: Any, moment: str, kill: Callable[[], None]) -> None:
        self._inner, self._moment, self._kill = inner, moment, kill

    def run(self, work: "Callable[[psycopg.Connection], Any]") -> Any:
        def and_die(connection: "psycopg.Connection") -> None:
            work(connection)
            if self._moment == "commit":
                connection.pgconn.send_query(b"COMMIT")
            self._kill()

        return self._inner.run(and_die)


class MortalTransport(httpx.AsyncBaseTransport):
    """A road to the venue whose user dies at a call."""

    def __init__(self, reaper: Reaper, seed: int) -> None:
        self._inner = httpx.AsyncHTTPTransport(verify=False)
        self._reaper = reaper
        self._rng = np.random.default_rng(seed)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        name = _name(request)
        is_due = self._reaper.reached("http", name)
        if is_due("before"):
            self._reaper.kill(f"http {name} before")
        if is_due("during"):
            task = asyncio.create_task(self._inner.handle_async_request(request))
            await asyncio.wait([task], timeout=float(self._rng.uniform(0.0, 0.01)))
            self._reaper.kill(f"http {name} during")
        response = await self._inner.handle_async_request(request)
        if is_due("after"):
            await response.aread()
            self._reaper.kill(f"http {name} after")
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def _name(request: httpx.Request) -> str:
    """What is called, without the numbers in its path."""
    last = request.url.path.rpartition("/")[2]
    if request.method in ("DELETE", "PATCH"):
        last = "position"
    elif last.isdigit():
        last = request.url.path.split("/")[-2]
    return f"{request.method} {last}"
