"""The decision service without its web: what it holds, how it gets ready, what each question does."""

import asyncio
import contextvars
import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from agv2.core.errors import AGV2Error
from agv2.deploy.account_switch import AccountSwitch
from agv2.deploy.approval_desk import ApprovalDesk, Question
from agv2.deploy.attribution_worker import AttributionWorker, Explained
from agv2.deploy.audit_chain import AuditKind, AuditRecord
from agv2.deploy.decision_log import DecisionLog
from agv2.deploy.guard_sight import GuardSight, NoSight
from agv2.deploy.lease_keeper import LeaseKeeper
from agv2.deploy.metrics import ServiceMetrics
from agv2.deploy.service_parts import NotReadyError, ServiceParts
from agv2.deploy.settings import DeploySettings
from agv2.deploy.state_store import StateStore
from agv2.deploy.told_books import ToldBooks
from agv2.utils.clock import Clock
from agv2.utils.tracing import step, trace_id

if TYPE_CHECKING:
    from agv2.deploy.decision_engine import DecisionEngine
    from agv2.deploy.watcher import Watcher

__all__ = ["DecisionService"]

_T = TypeVar("_T")
_log = structlog.get_logger("agv2.service")


class DecisionService:
    """Holds one account's models, state, lease and audit log.

    Args:
        parts: what it is made of.
        settings: of the service.
        clock: says when.
        failed: told of the error that keeps it from becoming ready; the process should end.
    """

    def __init__(
        self, parts: ServiceParts, settings: DeploySettings, clock: Clock, failed: Callable[[Exception], None]
    ) -> None:
        self.parts, self.settings, self.clock = parts, settings, clock
        self.metrics = ServiceMetrics()
        self.started_ns = clock.now_ns()
        self._failed = failed
        self._deciding = ThreadPoolExecutor(1, "decide")
        self._writing = ThreadPoolExecutor(1, "audit")
        self._keeping = ThreadPoolExecutor(4, "state")
        self.books = ToldBooks()
        self.sight: GuardSight = NoSight()  # until somebody who asks the guards puts theirs here
        self._closing = False
        self.engine: DecisionEngine | None = None
        self._store: StateStore | None = None
        self._records: DecisionLog | None = None
        self._keeper: LeaseKeeper | None = None
        self._explaining: AttributionWorker | None = None
        self.watch: Watcher | None = None
        self._thread = threading.Thread(target=self._become_ready, name="loading", daemon=True)

    # ------------------------------------------------------------------------------------------ life

    def start(self) -> None:
        """Begin to open and load, in the background."""
        self._thread.start()

    async def close(self) -> None:
        """Finish what was begun, write the last record, and let the account go."""
        self._closing = True
        await asyncio.to_thread(self._close)

    def checks(self) -> dict[str, bool]:
        """What must hold for a decision, by name."""
        return {
            "state": self._store is not None,
            "audit": self._records is not None,
            "lease": self._keeper is not None and self._keeper.lease is not None,
            "model": self.engine is not None,
            "open": not self._closing,
        }

    def _become_ready(self) -> None:
        try:
            self._store = self.parts.open_state()
            name = f"service:{self.parts.account}"
            self._keeper = LeaseKeeper(self._store, name, self.settings.lease_s, self.clock, self._lease_changed)
            # A holder that died is waited for while the model loads, which takes longer than a lease may live.
            taking = self._keeping.submit(self._keeper.take_and_keep)
            engine = self.parts.load_engine()
            taking.result()
            self._records = DecisionLog(self.parts.audit, self.clock, self.settings.decisions_kept)
            engine.restore(self._store.get(self._risk_key))
            if self.parts.open_watch is not None:
                self.watch = self.parts.open_watch(self, engine)
                self._records.heard = self.watch.recorded
            if self.settings.attribution.enabled:
                self._explaining = AttributionWorker(
                    engine, self.settings.attribution.queue, self._record_attribution, self._attribution_dropped
                )
            self.record(
                AuditKind.STARTED,
                {"account": self.parts.account, "model": engine.bundle.digest, "runtime": engine.runtime.value},
            )
            if self._store.lost:
                self.record(AuditKind.STATE_LOST, {"account": self.parts.account, "reason": self._store.lost})
                _log.error("state lost: new positions are forbidden until re-armed", reason=self._store.lost)
            self.metrics.model.labels(engine.bundle.digest, engine.runtime.value).set(1)
            self.metrics.kill_switch.set(float(self.switch.state().engaged))
            gc.collect()
            gc.freeze()  # what was loaded stays: later collections need not look at it again
            if self.watch is not None:
                self.watch.begin()
            self.engine = engine
            _log.info("ready", model=engine.bundle.digest[:12], symbols=",".join(engine.markets))
        except Exception as error:  # noqa: BLE001 - whatever it is, the process must end and say so
            self._failed(error)

    def _close(self) -> None:
        if self.watch is not None:
            self.watch.end()
        self._deciding.shutdown(wait=True)
        if self._explaining is not None:
            self._explaining.stop(self.settings.shutdown_s)
        self._keeping.shutdown(wait=True)
        self._writing.shutdown(wait=True)
        if self._records is not None:
            self._records.close({"account": self.parts.account})
        if self.watch is not None:
            self.watch.close()
        if self._keeper is not None:
            self._keeper.stop()
        if self._store is not None:
            self._store.close()

    def _lease_changed(self, ours: bool, why: str) -> None:
        self.metrics.lease_held.set(float(ours))
        (_log.info if ours else _log.error)("lease", held=ours, why=why)

    # ------------------------------------------------------------------------------------- questions

    @property
    def store(self) -> StateStore:
        """Where state is kept.

        Raises:
            NotReadyError: it is not open yet.
        """
        if self._store is None or self._closing:
            raise NotReadyError("the service is starting or stopping; /ready says when it is ready")
        return self._store

    @property
    def log(self) -> DecisionLog:
        """The audit log, and the newest decisions of it.

        Raises:
            NotReadyError: it is not open yet.
        """
        if self._records is None or self._closing:
            raise NotReadyError("the service is starting or stopping; /ready says when it is ready")
        return self._records

    @property
    def switch(self) -> AccountSwitch:
        """The account's."""
        return AccountSwitch(self.store, self.parts.account, self.clock)

    @property
    def approvals(self) -> ApprovalDesk:
        """The account's."""
        return ApprovalDesk(self.store, self.parts.account, self.clock)

    @property
    def lease_owner(self) -> str:
        """Who we are, where the account is ours; else nothing."""
        return self._keeper.owner if self._keeper is not None and self._keeper.lease is not None else ""

    async def between(self, work: Callable[[], _T]) -> _T:
        """Carry `work` out between two decisions, in their thread."""
        return await self._in(self._deciding, work)

    async def ask(self, question: Callable[[], _T]) -> _T:
        """Carry out a short question to the state store, off the event loop."""
        return await self._in(self._keeping, question)

    async def write(self, kind: AuditKind, request_id: str, body: dict[str, Any]) -> AuditRecord:
        """Append what was done for a request to the audit log, off the event loop; on return it is safe.

        Raises:
            StateError: it cannot be written.
        """
        whole = {**self.ids(request_id), "account": self.parts.account, **body}
        return await self._in(self._writing, lambda: self.record(kind, whole))

    @staticmethod
    def ids(request_id: str) -> dict[str, Any]:
        """By what a record is found from a log line or a trace, and the other way round."""
        found = trace_id()
        return {"request_id": request_id, "trace_id": found} if found else {"request_id": request_id}

    async def settle(self, *, fresh_limits: bool) -> None:
        """A person has re-armed: so are the guards and, where wanted, the limits.

        Args:
            fresh_limits: whether peak and daily start begin anew with the next decision's equity.
        """
        if self.watch is not None:
            await self.between(self.watch.settle)
        if fresh_limits and self.engine is not None:
            await self.between(self.engine.forget_risk)
            await self.ask(lambda: self.store.put(self._risk_key, None))

    def shown(self, question: Question) -> dict[str, Any]:
        """A question as the entries of `ApprovalOut`."""
        return question.entries(self.clock.now_ns())

    async def measured(self) -> bytes:
        """The metrics in Prometheus' text form; what may change without a question to us is read anew."""
        checks = self.checks()
        self.metrics.ready.set(float(all(checks.values())))
        self.metrics.lease_held.set(float(checks["lease"]))
        readable = False
        if checks["state"] and checks["open"]:
            with suppress(AGV2Error):  # a scrape must say so, not fail
                kill = await self.ask(lambda: self.switch.state())
                self.metrics.kill_switch.set(float(kill.engaged))
                readable = True
        self.metrics.state_readable.set(float(readable))
        return self.metrics.text()

    # --------------------------------------------------------------------------------------- insides

    @property
    def _risk_key(self) -> str:
        return f"risk:{self.parts.account}"

    def when_idle(self, work: Callable[[], None]) -> None:
        """Have `work` done between two decisions, in their thread.

        Raises:
            RuntimeError: the service is closed.
        """
        self._deciding.submit(work)

    def keep_risk(self, risk: str) -> None:
        """Keep the limits' memory, as long as the account is ours; raises as `keep`."""
        self.keep(self._risk_key, risk)

    def keep(self, key: str, text: str) -> None:
        """Keep `text` with the account's state, as long as the account is ours.

        Raises:
            NotReadyError: it no longer is.
            StateError: the store cannot keep it.
        """
        lease = self._keeper.lease if self._keeper is not None else None
        if lease is None:
            raise NotReadyError("the account is no longer ours")
        with step("state", key=key):
            self.store.put(key, text, lease)

    def record(self, kind: AuditKind, body: dict[str, Any]) -> AuditRecord:
        """Append to the audit log; on return it is safe.

        Raises:
            NotReadyError: no log is open.
            StateError: it cannot be written.
        """
        if self._records is None:
            raise NotReadyError("no audit log is open")
        with step("audit") as writing:
            record = self._records.record(kind, body)
            writing.tell(record=record.number)
        self.metrics.audit_records.set(record.number)
        return record

    def _record_attribution(self, body: dict[str, object]) -> None:
        self.record(AuditKind.ATTRIBUTION, body)

    def explain(self, made: Explained) -> None:
        """Have what a decision rested on found out and recorded by and by, where that is wanted."""
        if self._explaining is not None:
            self._explaining.explain(made)

    def _attribution_dropped(self) -> None:
        self.metrics.attributions_dropped.inc()

    async def _in(self, executor: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
        """Carry `work` out in a thread that logs with the same correlation id."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(executor, lambda: context.run(work))
