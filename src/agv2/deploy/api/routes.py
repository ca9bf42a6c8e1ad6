"""The endpoints; each a few lines over `DecisionService`."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response, Security
from fastapi.security import HTTPBearer

from agv2.core.errors import ConfigError
from agv2.deploy.api.guards_shown import shown_guards, shown_tripped
from agv2.deploy.audit_chain import ChainHead
from agv2.deploy.messages import (
    AllGuardsOut,
    ApprovalAnswer,
    ApprovalOut,
    ApprovalsOut,
    DecideIn,
    DecideOut,
    DecisionsOut,
    HealthOut,
    Kill,
    KillOut,
    Problem,
    ReadyOut,
    Rearm,
    RecordRef,
    StateOut,
    SymbolOut,
)
from agv2.deploy.service import DecisionService, NotReadyError
from agv2.deploy.tokens import Role, Token

__all__ = ["open_routes", "service_routes"]

_BEARER = HTTPBearer(auto_error=False, description="Made by `agv2 token new --role viewer|operator`.")
_ANSWERS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": meaning}
    for status, meaning in (
        (401, "No token, or one that opens nothing."),
        (403, "The token's role does not cover this."),
        (413, "The body is too large."),
        (421, "Called under a name that is not allowed."),
        (422, "The question cannot be understood, or its bars cannot be used."),
        (429, "Too many wrong tokens."),
        (503, "Not ready, or state or audit log cannot be reached."),
    )
}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "It contradicts what is known."}}
_ABSENT: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "There is none."}}


def open_routes(service: DecisionService) -> APIRouter:
    """What answers without a token: whether the process lives, and whether it can decide."""
    router = APIRouter(tags=["health"])

    @router.get("/health")
    async def health() -> HealthOut:
        """Whether the process answers."""
        return HealthOut(status="ok")

    @router.get("/ready", responses={503: {"model": ReadyOut, "description": "Not ready yet."}})
    async def ready(response: Response) -> ReadyOut:
        """Whether decisions can be asked for, and what is missing."""
        checks = service.checks()
        service.metrics.ready.set(float(all(checks.values())))
        response.status_code = 200 if all(checks.values()) else 503
        return ReadyOut(ready=all(checks.values()), checks=checks)

    return router


def service_routes(service: DecisionService) -> APIRouter:
    """Everything else; the token has been checked before, its role is here."""
    router = APIRouter(dependencies=[Security(_BEARER)], responses=_ANSWERS)

    @router.post("/v1/decide", tags=["decisions"], responses=_CONFLICT)
    async def decide(asked: DecideIn, request: Request, token: Operator) -> DecideOut:
        """Decide at the close of the newest bar; the decision is in the audit log before it is answered."""
        answer = await service.decide(asked, request.state.request_id, token.token_id)
        return DecideOut.model_validate(answer)

    @router.get("/v1/decisions", tags=["decisions"])
    async def decisions(
        limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
        symbol: Annotated[str | None, Query(max_length=64)] = None,
    ) -> DecisionsOut:
        """Newest decisions with their grounds and, once it is there, their attribution."""
        return DecisionsOut(decisions=service.latest(limit, symbol), head=_ref(service.audit.head))

    @router.get("/v1/state", tags=["state"])
    async def state() -> StateOut:
        """Model, limits, kill switch, lease and what is waiting."""
        return await _state(service)

    @router.get("/v1/guards", tags=["state"])
    async def guards() -> AllGuardsOut:
        """Which guards are on, which are off and why, and what has tripped."""
        if service.engine is None:
            raise NotReadyError("no model is loaded yet; /ready says when it is")
        return AllGuardsOut(markets=[] if service.watch is None else shown_guards(service.watch))

    @router.get("/v1/approvals", tags=["approvals"])
    async def approvals() -> ApprovalsOut:
        """New positions that wait for a person, and those of the last week."""
        found = await service.ask(lambda: service.approvals.all())
        return ApprovalsOut(approvals=[ApprovalOut.model_validate(service.shown(each)) for each in found])

    @router.get("/v1/approvals/{approval_id}", tags=["approvals"], responses=_ABSENT)
    async def approval(approval_id: ApprovalId) -> ApprovalOut:
        """One request as it stands."""
        found = await service.ask(lambda: service.approvals.get(approval_id))
        if found is None:
            raise HTTPException(404, "there is no such request")
        return ApprovalOut.model_validate(service.shown(found))

    @router.post("/v1/approvals/{approval_id}", tags=["approvals"], responses=_ABSENT | _CONFLICT)
    async def answer(approval_id: ApprovalId, said: ApprovalAnswer, request: Request, token: Operator) -> ApprovalOut:
        """Say yes or no; the first answer stands."""
        if await service.ask(lambda: service.approvals.get(approval_id)) is None:
            raise HTTPException(404, "there is no such request")
        try:
            answered = await service.answer(
                approval_id,
                approve=said.approve,
                actor=token.token_id,
                reason=said.reason,
                request_id=request.state.request_id,
            )
        except ConfigError as error:
            raise HTTPException(409, str(error)) from error
        return ApprovalOut.model_validate(service.shown(answered))

    @router.post("/v1/kill", tags=["state"])
    async def kill(why: Kill, request: Request, token: Operator) -> KillOut:
        """Forbid new positions until a person re-arms; decisions go on, and only ever hold or reduce."""
        turned = await service.kill(token.token_id, why.reason, request.state.request_id, flatten=why.flatten)
        return _kill_out(turned)

    @router.post("/v1/rearm", tags=["state"])
    async def rearm(why: Rearm, request: Request, token: Operator) -> KillOut:
        """Allow new positions again."""
        turned = await service.rearm(
            token.token_id, why.reason, request.state.request_id, fresh_limits=why.fresh_limits
        )
        return _kill_out(turned)

    @router.get(
        "/metrics", tags=["observability"], response_class=Response, responses={200: {"content": {"text/plain": {}}}}
    )
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(await service.measured(), media_type="text/plain; version=0.0.4")

    return router


async def _operator(request: Request) -> Token:
    token = request.state.token
    if not isinstance(token, Token) or not token.role.covers(Role.OPERATOR):
        raise HTTPException(403, "this needs a token of the role operator")
    return token


Operator = Annotated[Token, Depends(_operator)]
ApprovalId = Annotated[str, Path(min_length=1, max_length=64, pattern="^[0-9a-f]+$")]


async def _state(service: DecisionService) -> StateOut:
    engine = service.engine
    if engine is None:
        raise NotReadyError("no model is loaded yet; /ready says when it is")
    kill, approvals = await service.ask(lambda: (service.switch.state(), service.approvals.all()))
    known = {symbol: engine.known_until_ns(symbol) for symbol in engine.markets}
    return StateOut(
        account=service.parts.account,
        model=engine.bundle.digest,
        trained_on=engine.bundle.manifest.trained_on,
        runtime=engine.runtime.value,
        symbols=[
            SymbolOut(
                symbol=symbol,
                timeframe=served.timeframe.name,
                bars_needed=served.bars_needed,
                bars_known_until=None if (until := known[symbol]) is None else until // 1_000_000_000,
            )
            for symbol, served in engine.markets.items()
        ],
        kill=_kill_out(kill),
        risk=None if engine.risk is None else {name: float(value) for name, value in engine.risk._asdict().items()},
        lease_held=bool(service.lease_owner),
        lease_owner=service.lease_owner,
        tripped=[] if service.watch is None else shown_tripped(service.watch),
        approvals_pending=sum(each.status(service.clock.now_ns()) == "pending" for each in approvals),
        head=_ref(service.audit.head),
        started_ns=service.started_ns,
    )


def _kill_out(state: Any) -> KillOut:
    return KillOut.model_validate(asdict(state))


def _ref(head: ChainHead) -> RecordRef:
    return RecordRef(number=head.number, sha256=head.digest)
