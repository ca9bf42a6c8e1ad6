"""What all endpoints behind a token have in common."""

from typing import Any

from fastapi import APIRouter, Security
from fastapi.security import HTTPBearer

from agv2.deploy.messages import Problem

__all__ = ["guarded_router"]

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


def guarded_router() -> APIRouter:
    """A router whose page says that a token is needed, and how a request may be refused.

    The token itself is looked at before routing, by `api.shield.Shield`.
    """
    return APIRouter(dependencies=[Security(_BEARER)], responses=_ANSWERS)
