"""The decision service without its web: what it holds, how it gets ready, what each question does."""

import asyncio
import contextvars
import gc
import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog

from agv2.core.errors import AGV2Error, ConfigError, StateError
from agv2.deploy.account_switch import AccountSwitch, KillState
from agv2.deploy.approval_desk import ApprovalDesk, Question
from agv2.deploy.attribution_worker import AttributionWorker, Explained
from agv2.deploy.audit_chain import AuditKind, AuditRecord, read_records
from agv2.deploy.audit_log import AuditLog
from agv2.deploy.guard_sight import GuardSight, NoSight
from agv2.deploy.lease_keeper import LeaseKeeper
from agv2.deploy.messages import DecideIn
from agv2.deploy.metrics import ServiceMetrics
from agv2.deploy.settings import DeploySettings
from agv2.deploy.state_store import StateStore
from agv2.deploy.told_books import ToldBooks
from agv2.utils.clock import Clock

if TYPE_CHECKING:
    from agv2.deploy.decision_engine import DecisionEngine, Made
    from agv2.deploy.watcher import Watcher

__all__ = ["DecisionService", "NotReadyError", "ServiceParts"]

_T = TypeVar("_T")
_log = structlog.get_logger("agv2.service")


class NotReadyError(AGV2Error):
    """The service cannot decide now: it is starting, stopping, or has lost its account or its state."""


class OtherSwitch(Protocol):
    """A trader's kill switch."""

    def throw(self, reason: str, by: str, *, flatten: bool = False) -> object:
        """Halt."""
        ...

    def rearm(self, reason: str, by: str) -> object:
        """Allow new positions again."""
        ...


@dataclass(frozen=True, slots=True)
class ServiceParts:
    """What a service is made of; opened in the background, so that `/health` answers at once."""

    account: str
    audit: Path
    open_state: Callable[[], StateStore]
    load_engine: Callable[[], "DecisionEngine"]
    other_switches: Callable[[], Sequence["OtherSwitch"]] = tuple
    """Switches of traders beside the service, thrown and re-armed with its own."""
    open_watch: "Callable[[DecisionService, DecisionEngine], Watcher] | None" = None
    """Makes what halts the service by itself and tells people; None: nothing does."""


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
        self._latest: deque[dict[str, object]] = deque(maxlen=settings.decisions_kept)
        self.books = ToldBooks()
        self.sight: GuardSight = NoSight()  # until somebody who asks the guards puts theirs here
        self._closing = False
        self.engine: DecisionEngine | None = None
        self._store: StateStore | None = None
        self._audit: AuditLog | None = None
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
            "audit": self._audit is not None,
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
            self._audit = AuditLog(self.parts.audit, self.clock)
            self._recall()
            engine.restore(self._store.get(self._risk_key))
            self.watch = None if self.parts.open_watch is None else self.parts.open_watch(self, engine)
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

    def _recall(self) -> None:
        """The newest decisions of earlier starts, for whoever asks after a restart."""
        self._latest.extend(
            _shown(record) for record in read_records(self.parts.audit) if record.kind == AuditKind.DECISION
        )

    def _close(self) -> None:
        if self.watch is not None:
            self.watch.end()
        self._deciding.shutdown(wait=True)
        if self._explaining is not None:
            self._explaining.stop(self.settings.shutdown_s)
        self._keeping.shutdown(wait=True)
        self._writing.shutdown(wait=True)
        if self._audit is not None:
            with suppress(StateError):
                self.record(AuditKind.STOPPED, {"account": self.parts.account})
            self._audit.close()
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
    def audit(self) -> AuditLog:
        """The audit log.

        Raises:
            NotReadyError: it is not open yet.
        """
        if self._audit is None or self._closing:
            raise NotReadyError("the service is starting or stopping; /ready says when it is ready")
        return self._audit

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

    async def decide(self, asked: DecideIn, request_id: str, actor: str) -> dict[str, Any]:
        """Decide, record, and answer with the entries of `DecideOut`.

        Args:
            asked: the question.
            request_id: correlation id.
            actor: id of the caller's token.

        Raises:
            NotReadyError: something that a decision needs is missing.
            DataError: the bars or the book cannot be used.
            StateError: state or audit log could not be read or written; nothing may be ordered.
        """
        missing = [name for name, there in self.checks().items() if not there]
        if missing:
            raise NotReadyError(f"not ready: {', '.join(missing)}; /ready says when it is")
        made = await self._in(self._deciding, lambda: self._made(asked))
        self.books.remember(asked)
        answer = {**made.answer, "status": "hold" if made.answer["order"] is None else "order", "approval": None}
        if made.opens and self.settings.approval.required:
            proposal = {name: made.answer[name] for name in ("side", "order", "probabilities", "regime", "bar_ts")}
            asking = await self._in(
                self._keeping,
                lambda: self.approvals.ask(asked.symbol, proposal, self.settings.approval.timeout_s),
            )
            answer |= {"status": "awaiting_approval", "approval": self.shown(asking), "order": None}
        body = {
            "request_id": request_id,
            "actor": actor,
            "account": self.parts.account,
            "bar_ts_ns": made.answer["bar_ts"] * 1_000_000_000,
            **{name: value for name, value in answer.items() if name != "approval"},
            "approval_id": answer["approval"] and answer["approval"]["approval_id"],
            **made.grounds,
        }
        keeping = self._in(self._keeping, lambda: self._keep_risk(made.risk))
        record, _ = await asyncio.gather(
            self._in(self._writing, lambda: self.record(AuditKind.DECISION, body)), keeping
        )
        if self._explaining is not None:
            self._explaining.explain(Explained(record.number, request_id, made.explicable))
        self.metrics.decisions.labels(asked.symbol, answer["side"], answer["reason"]).inc()
        self.metrics.entropy.labels(asked.symbol).set(answer["entropy"])
        self.metrics.newest_bar.labels(asked.symbol).set(answer["bar_ts"])
        return {**answer, "request_id": request_id, "record": {"number": record.number, "sha256": record.digest}}

    async def kill(self, actor: str, reason: str, request_id: str, *, flatten: bool = False) -> KillState:
        """Forbid new positions; holds for every process of the account, and for the traders beside it.

        Args:
            actor: who.
            reason: why.
            request_id: correlation id.
            flatten: whether what is held is closed as well.
        """

        def turn() -> KillState:
            state = self.switch.kill(actor, reason, flatten=flatten)
            for other in self.parts.other_switches():
                other.throw(reason, actor, flatten=flatten)
            return state

        return await self._turned(AuditKind.KILL, turn, actor, reason, request_id, {"flatten": flatten})

    async def rearm(self, actor: str, reason: str, request_id: str, *, fresh_limits: bool) -> KillState:
        """Allow new positions again.

        Args:
            actor: who.
            reason: why.
            request_id: correlation id.
            fresh_limits: whether peak and daily start begin anew with the next decision's equity.
        """

        def turn() -> KillState:
            for other in self.parts.other_switches():
                other.rearm(reason, actor)
            return self.switch.rearm(actor, reason)

        more = {"fresh_limits": fresh_limits}
        state = await self._turned(AuditKind.REARM, turn, actor, reason, request_id, more)
        if self.watch is not None:
            await self._in(self._deciding, self.watch.settle)
        if fresh_limits and self.engine is not None:
            await self._in(self._deciding, self.engine.forget_risk)
            await self._in(self._keeping, lambda: self.store.put(self._risk_key, None))
        return state

    async def answer(self, approval_id: str, *, approve: bool, actor: str, reason: str, request_id: str) -> Question:
        """Say yes or no to a request.

        Raises:
            ConfigError: there is none, it is no longer open, or it is a yes while the kill switch is thrown.
        """

        def said() -> Question:
            if approve and self.switch.state().engaged:
                raise ConfigError("the kill switch is thrown: nothing may be opened; deny it, or re-arm first")
            return self.approvals.answer(approval_id, approve=approve, actor=actor, remark=reason)

        answered = await self._in(self._keeping, said)
        body = {"request_id": request_id, "account": self.parts.account, **self.shown(answered)}
        await self._in(self._writing, lambda: self.record(AuditKind.APPROVAL, body))
        self.metrics.approvals.labels("yes" if approve else "no").inc()
        return answered

    async def ask(self, question: Callable[[], _T]) -> _T:
        """Carry out a short question to the state store, off the event loop."""
        return await self._in(self._keeping, question)

    def shown(self, question: Question) -> dict[str, Any]:
        """A question as the entries of `ApprovalOut`."""
        approval = question.approval
        return {
            "approval_id": approval.id,
            "symbol": question.symbol,
            "asked_ns": approval.asked_ns,
            "expires_ns": approval.expires_ns,
            "status": question.status(self.clock.now_ns()),
            "proposal": question.proposal,
            "actor": approval.by,
            "reason": question.remark,
            "answered_ns": approval.answered_ns,
        }

    async def measured(self) -> bytes:
        """The metrics in Prometheus' text form; what may change without a question to us is read anew."""
        checks = self.checks()
        self.metrics.ready.set(float(all(checks.values())))
        self.metrics.lease_held.set(float(checks["lease"]))
        readable = False
        if checks["state"] and checks["open"]:
            with suppress(AGV2Error):  # a scrape must say so, not fail
                kill = await self._in(self._keeping, lambda: self.switch.state())
                self.metrics.kill_switch.set(float(kill.engaged))
                readable = True
        self.metrics.state_readable.set(float(readable))
        return self.metrics.text()

    def kept_decisions(self) -> list[dict[str, Any]]:
        """The decisions that are kept in memory as recorded, the oldest first."""
        return list(self._latest)

    def latest(self, limit: int, symbol: str | None) -> list[dict[str, Any]]:
        """Newest decisions as recorded, the newest first."""
        found = [each for each in reversed(self._latest) if symbol in (None, each["symbol"])]
        return found[:limit]

    # --------------------------------------------------------------------------------------- insides

    @property
    def _risk_key(self) -> str:
        return f"risk:{self.parts.account}"

    def _made(self, asked: DecideIn) -> "Made":
        if self.engine is None:
            raise NotReadyError("no model is loaded")
        kill = self.switch.state()
        self.metrics.kill_switch.set(float(kill.engaged))
        with self.metrics.decide_seconds.time():
            made = self.engine.decide(asked, self.clock.now_ns(), killed=kill.leaves)
            if self.watch is None or not self.watch.trips(asked.symbol, made.seen):
                return made
            return self.engine.decide(asked, self.clock.now_ns(), killed=self.switch.state().leaves)

    def when_idle(self, work: Callable[[], None]) -> None:
        """Have `work` done between two decisions, in their thread.

        Raises:
            RuntimeError: the service is closed.
        """
        self._deciding.submit(work)

    def _keep_risk(self, risk: str) -> None:
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
        self.store.put(key, text, lease)

    async def _turned(
        self,
        kind: AuditKind,
        turn: Callable[[], KillState],
        actor: str,
        reason: str,
        request_id: str,
        more: dict[str, bool],
    ) -> KillState:
        state = await self._in(self._keeping, turn)
        self.metrics.kill_switch.set(float(state.engaged))
        body = {"request_id": request_id, "account": self.parts.account, "actor": actor, "reason": reason, **more}
        await self._in(self._writing, lambda: self.record(kind, body))
        _log.warning(kind.value, actor=actor, reason=reason)
        return state

    def record(self, kind: AuditKind, body: dict[str, Any]) -> AuditRecord:
        """Append to the audit log; on return it is safe.

        Raises:
            NotReadyError: no log is open.
            StateError: it cannot be written.
        """
        if self._audit is None:
            raise NotReadyError("no audit log is open")
        record = self._audit.append(kind, body)
        self.metrics.audit_records.set(record.number)
        if kind is AuditKind.DECISION:
            self._latest.append(_shown(record))
        if self.watch is not None:
            self.watch.recorded(kind, record.body)
        return record

    def _record_attribution(self, body: dict[str, object]) -> None:
        self.record(AuditKind.ATTRIBUTION, body)
        for shown in reversed(self._latest):
            if shown["number"] == body["of"]:
                shown["attribution"] = body
                break

    def _attribution_dropped(self) -> None:
        self.metrics.attributions_dropped.inc()

    async def _in(self, executor: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
        """Carry `work` out in a thread that logs with the same correlation id."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(executor, lambda: context.run(work))


def _shown(record: AuditRecord) -> dict[str, Any]:
    """A record as `/v1/decisions` has it; a copy, to which its attribution may be added."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(record.body)))
    return {"number": record.number, "sha256": record.digest, "ts_ns": record.ts_ns, **plain, "attribution": None}
