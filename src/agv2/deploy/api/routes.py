"""The endpoints; each a few lines over `DecisionService`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response

from agv2.core.errors import ConfigError
from agv2.deploy.api.guarded import guarded_router
from agv2.deploy.decision_making import make_decision
from agv2.deploy.guards_shown import shown_guards
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
    StateOut,
)
from agv2.deploy.overview import Overview, kill_out, record_ref
from agv2.deploy.person_acts import PersonActs
from agv2.deploy.service import DecisionService
from agv2.deploy.service_parts import NotReadyError
from agv2.deploy.tokens import Role, Token

__all__ = ["open_routes", "service_routes"]

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
    router = guarded_router()
    overview = Overview(service)

    def acts(request: Request, token: Token) -> PersonActs:
        return PersonActs(service, token.token_id, request.state.request_id)

    @router.post("/v1/decide", tags=["decisions"], responses=_CONFLICT)
    async def decide(asked: DecideIn, request: Request, token: Operator) -> DecideOut:
        """Decide at the close of the newest bar; the decision is in the audit log before it is answered."""
        request.state.step.led_to("receive")
        answer = await make_decision(service, asked, request.state.request_id, token.token_id)
        return DecideOut.model_validate(answer)

    @router.get("/v1/decisions", tags=["decisions"])
    async def decisions(
        limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
        symbol: Annotated[str | None, Query(max_length=64)] = None,
    ) -> DecisionsOut:
        """Newest decisions with their grounds and, once it is there, their attribution."""
        return DecisionsOut(decisions=service.log.latest(limit, symbol), head=record_ref(service.log.chain.head))

    @router.get("/v1/state", tags=["state"])
    async def state() -> StateOut:
        """Model, limits, kill switch, lease and what is waiting."""
        return await overview.state()

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
            answered = await acts(request, token).answer(approval_id, approve=said.approve, reason=said.reason)
        except ConfigError as error:
            raise HTTPException(409, str(error)) from error
        return ApprovalOut.model_validate(service.shown(answered))

    @router.post("/v1/kill", tags=["state"])
    async def kill(why: Kill, request: Request, token: Operator) -> KillOut:
        """Forbid new positions until a person re-arms; decisions go on, and only ever hold or reduce."""
        turned = await acts(request, token).kill(why.reason, flatten=why.flatten)
        return kill_out(turned)

    @router.post("/v1/rearm", tags=["state"])
    async def rearm(why: Rearm, request: Request, token: Operator) -> KillOut:
        """Allow new positions again."""
        turned = await acts(request, token).rearm(why.reason, fresh_limits=why.fresh_limits)
        return kill_out(turned)

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
