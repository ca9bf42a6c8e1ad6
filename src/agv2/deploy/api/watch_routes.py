"""The endpoints of those who watch; each a few lines over `Overview`."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.sse import EventSourceResponse

from agv2.deploy.api.access import bearer
from agv2.deploy.api.event_streams import EventStreams
from agv2.deploy.api.guarded import guarded_router
from agv2.deploy.overview import Overview
from agv2.deploy.service import DecisionService
from agv2.deploy.watch_messages import BarsOut, DriftOut, EquityOut, EventOut, MeOut

__all__ = ["watch_routes"]

_Symbol = Annotated[str, Query(min_length=1, max_length=64)]


def watch_routes(service: DecisionService, streams: EventStreams) -> APIRouter:
    """What a console asks for, beside the state, the decisions and the approvals."""
    router = guarded_router()
    overview = Overview(service)

    @router.get("/v1/me", tags=["watching"])
    async def me(request: Request) -> MeOut:
        """Whose token this is, and what it may do; answers before the service is ready."""
        token = request.state.token
        return MeOut(token_id=token.token_id, name=token.name, role=token.role.value, expires_ns=token.expires_ns)

    @router.get("/v1/bars", tags=["watching"])
    async def bars(symbol: _Symbol, limit: Annotated[int, Query(ge=1, le=2_000)] = 200) -> BarsOut:
        """The newest bars told of a symbol."""
        return overview.bars(symbol, limit)

    @router.get("/v1/equity", tags=["watching"])
    async def equity() -> EquityOut:
        """The account's equity at the bars that were decided on, and the band that the backtest expects."""
        return overview.equity()

    @router.get("/v1/drift", tags=["watching"])
    async def drift(symbol: _Symbol) -> DriftOut:
        """How far each feature has strayed from the training bars, the furthest first."""
        return overview.drift(symbol)

    @router.get(
        "/v1/events", tags=["watching"], response_class=EventSourceResponse, dependencies=[Depends(streams.place)]
    )
    async def events(request: Request) -> AsyncIterator[EventOut]:
        """Server-sent events: the overview now and whenever it has changed, and a sign of life in between.

        Ends when the service does or the token no longer holds; come again.
        """
        async for each in streams.events(bearer(request.headers)):
            yield each

    return router
