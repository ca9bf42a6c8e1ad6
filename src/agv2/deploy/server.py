"""The decision service as an ASGI application.

Imports nothing of numpy, numba, polars or torch: `/health` answers while those load in the background.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from agv2.core.errors import AGV2Error, DataError
from agv2.deploy.api.access import Access
from agv2.deploy.api.event_streams import EventStreams
from agv2.deploy.api.routes import open_routes, service_routes
from agv2.deploy.api.shield import Shield, problem_body
from agv2.deploy.api.watch_routes import watch_routes
from agv2.deploy.messages import HistoryGapError
from agv2.deploy.service import DecisionService
from agv2.deploy.tokens import TokenStore
from agv2.utils.logging_config import hide_secrets

__all__ = ["create_app"]


def create_app(
    service: DecisionService, tokens: TokenStore, mounts: Sequence[Callable[[FastAPI, DecisionService], None]] = ()
) -> FastAPI:
    """The application; starting it starts the service.

    `/` is left to `mounts`: each is called once with the application and the service, to add routes of its own. They
    stand behind the same token, limits and headers as everything else (`api.access.OPEN_PATHS` is what does not); an
    answer that sets a security header itself, such as a page its Content-Security-Policy, keeps it.

    Args:
        service: what answers.
        tokens: who may ask.
        mounts: such as the console's.
    """

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await service.close()

    app = FastAPI(
        title="AGV2 decision service",
        version=version("agv2"),
        description="Decisions of a bundle for one account, each in the audit log before it is answered.",
        lifespan=life,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    app.state.service = service
    app.state.streams = streams = EventStreams(service, tokens)
    app.include_router(open_routes(service))
    app.include_router(service_routes(service))
    app.include_router(watch_routes(service, streams))
    for mount in mounts:
        mount(app, service)
    app.add_exception_handler(RequestValidationError, _misunderstood)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(AGV2Error, _failed)
    access = Access(tokens, service.settings, service.clock)
    app.add_middleware(Shield, access=access, settings=service.settings, metrics=service.metrics)
    return app


def _problem(request: Request, status: int, problem: str, details: Sequence[str] = ()) -> Response:
    body = problem_body(problem, request.state.request_id, details)
    return Response(body, status, media_type="application/json")


async def _misunderstood(request: Request, error: Exception) -> Response:
    """What is wrong and where, without the caller's own words: they might be a secret in the wrong place."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    details = [f"{_place(each)}: {each['msg']}" for each in found[:20]]
    return _problem(request, 422, "the request cannot be understood", details)


def _place(error: Mapping[str, Any]) -> str:
    """Where it is; the name of an entry that we do not know is the caller's own word too."""
    loc = [str(part) for part in error["loc"]]
    return ".".join([*loc[:-1], "?"] if error["type"] == "extra_forbidden" else loc)


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    answer = _problem(request, error.status_code, str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


async def _failed(request: Request, error: Exception) -> Response:
    if isinstance(error, DataError):
        status = 409 if isinstance(error, HistoryGapError) else 422
        return _problem(request, status, hide_secrets(str(error)))
    return _problem(request, 503, hide_secrets(str(error)))
