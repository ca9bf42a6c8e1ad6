"""Streams of events, as many as may be open at once, each for as long as its token holds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from fastapi import HTTPException

from agv2.core.errors import StateError
from agv2.deploy.overview import Overview
from agv2.deploy.service import DecisionService
from agv2.deploy.tokens import TokenStore
from agv2.deploy.watch_messages import EventOut, OverviewOut

__all__ = ["EventStreams"]

_LOOK_S = 0.5
_BEAT_S = 5.0
"""The console counts a connection as lost after three of these without a sign of life."""
_SHARE = 4


class EventStreams:
    """What is new, told to everybody who watches; one look at the service serves them all.

    Looked at rather than told by those who change something: kill switch and approvals may be turned by another
    process of the account.

    Args:
        service: watched.
        tokens: a stream ends once its token is revoked or expired.
    """

    def __init__(self, service: DecisionService, tokens: TokenStore) -> None:
        self._overview, self._service, self._tokens = Overview(service), service, tokens
        # Most of the requests that are under way at once must be left to those who ask and act.
        self._most = max(1, service.settings.max_requests // _SHARE)
        self._open = 0
        self._ending = asyncio.Event()
        self._looking = asyncio.Lock()
        self._looked_at = float("-inf")
        self._last: OverviewOut | None = None

    async def place(self) -> AsyncIterator[None]:
        """A place among those that may be open, for as long as it is held.

        Raises:
            HTTPException: there is none left.
        """
        if self._open >= self._most:
            raise HTTPException(503, f"{self._most} watch already; close a console", {"Retry-After": "10"})
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    def end(self) -> None:
        """End those that are open, so that the process need not wait for them; new ones may begin."""
        self._ending.set()
        self._ending = asyncio.Event()

    async def events(self, token_text: str) -> AsyncIterator[EventOut]:
        """The overview now and whenever it has changed, and a sign of life in between.

        Args:
            token_text: of whoever watches.
        """
        told: OverviewOut | None = None
        ending, told_at = self._ending, float("-inf")
        loop = asyncio.get_running_loop()
        while not ending.is_set() and self._may_watch(token_text):
            found = await self._look()
            if found != told:
                told, told_at = found, loop.time()
                yield EventOut(now_ns=self._service.clock.now_ns(), overview=found)
            elif loop.time() - told_at >= _BEAT_S:
                told_at = loop.time()
                yield EventOut(now_ns=self._service.clock.now_ns(), overview=None)
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), _LOOK_S)

    def _may_watch(self, token_text: str) -> bool:
        try:
            return self._tokens.authenticate(token_text) is not None
        except StateError:
            return False

    async def _look(self) -> OverviewOut:
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if self._last is None or now - self._looked_at >= _LOOK_S / 2:
                self._last, self._looked_at = await self._overview.all(), now
            return self._last
