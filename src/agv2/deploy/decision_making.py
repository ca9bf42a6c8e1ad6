"""One decision of a service: made, recorded, and only then answered."""

import asyncio
from typing import TYPE_CHECKING, Any

from agv2.deploy.attribution_worker import Explained
from agv2.deploy.audit_chain import AuditKind
from agv2.deploy.messages import DecideIn
from agv2.deploy.service import DecisionService
from agv2.deploy.service_parts import NotReadyError
from agv2.utils.tracing import here, step

if TYPE_CHECKING:
    from agv2.deploy.decision_engine import Made

__all__ = ["make_decision"]

_NS = 1_000_000_000
_PROPOSED = ("side", "order", "probabilities", "regime", "bar_ts")


async def make_decision(service: DecisionService, asked: DecideIn, request_id: str, actor: str) -> dict[str, Any]:
    """Decide, record, and answer with the entries of `DecideOut`.

    Args:
        service: whose models, limits and log.
        asked: the question.
        request_id: correlation id.
        actor: id of the caller's token.

    Raises:
        NotReadyError: something that a decision needs is missing.
        DataError: the bars or the book cannot be used.
        StateError: state or audit log could not be read or written; nothing may be ordered.
    """
    missing = [name for name, there in service.checks().items() if not there]
    if missing:
        raise NotReadyError(f"not ready: {', '.join(missing)}; /ready says when it is")
    made = await service.between(lambda: _made(service, asked))
    service.books.remember(asked)
    answer = {**made.answer, "status": "hold" if made.answer["order"] is None else "order", "approval": None}
    approval = service.settings.approval
    if made.opens and approval.required:
        proposal = {name: made.answer[name] for name in _PROPOSED}
        asking = await service.ask(lambda: service.approvals.ask(asked.symbol, proposal, approval.timeout_s))
        answer |= {"status": "awaiting_approval", "approval": service.shown(asking), "order": None}
    body = {
        "actor": actor,
        "bar_ts_ns": made.answer["bar_ts"] * _NS,
        **{name: value for name, value in answer.items() if name != "approval"},
        "approval_id": answer["approval"] and answer["approval"]["approval_id"],
        **made.grounds,
    }
    record, _ = await asyncio.gather(
        service.write(AuditKind.DECISION, request_id, body), service.ask(lambda: service.keep_risk(made.risk))
    )
    service.explain(Explained(record.number, service.ids(request_id), made.explicable, here()))
    metrics = service.metrics
    metrics.decisions.labels(asked.symbol, answer["side"], answer["reason"]).inc()
    metrics.entropy.labels(asked.symbol).set(answer["entropy"])
    metrics.newest_bar.labels(asked.symbol).set(answer["bar_ts"])
    return {**answer, "request_id": request_id, "record": {"number": record.number, "sha256": record.digest}}


def _made(service: DecisionService, asked: DecideIn) -> "Made":
    """In the thread that decides; where a guard trips by this very bar, the question is decided anew."""
    engine, clock, metrics, watch = service.engine, service.clock, service.metrics, service.watch
    if engine is None:
        raise NotReadyError("no model is loaded")
    with metrics.decide_seconds.time(), step("decide", symbol=asked.symbol) as deciding:
        kill = service.switch.state()
        metrics.kill_switch.set(float(kill.engaged))
        made = engine.decide(asked, clock.now_ns(), killed=kill.leaves)
        if watch is not None:
            with step("guards"):
                tripped = watch.trips(asked.symbol, made.seen)
            if tripped:
                made = engine.decide(asked, clock.now_ns(), killed=service.switch.state().leaves)
        deciding.tell(side=made.answer["side"], reason=made.answer["reason"], bar_ts=made.answer["bar_ts"])
        return made
