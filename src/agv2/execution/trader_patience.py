"""How a trader goes on when the venue says no: it asks again, at growing pauses, and looks after what is held."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from agv2.core.bars import Bars
from agv2.core.errors import DataError, VenueError
from agv2.execution.ports import BarFeed

__all__ = ["Patience", "lasting_bars"]

_LONGEST_S = 60.0


class Patience:
    """When something that must succeed in the end is due again, and whether its outcome is news.

    Args:
        first_s: pause after the first failure, seconds; each next one is twice as long, up to a minute.
    """

    def __init__(self, first_s: float) -> None:
        self._first_s = first_s
        self._number, self._is_done, self._words = 0, False, ""
        self._pause_s, self._due_s = first_s, 0.0

    def is_due(self, number: int) -> bool:
        """Whether to try now; a `number` that was not asked about before begins anew."""
        if number != self._number:
            self._number, self._is_done, self._words = number, False, ""
            self._pause_s, self._due_s = self._first_s, 0.0
        return not self._is_done and time.monotonic() >= self._due_s

    def tried(self, is_done: bool, words: str) -> bool:
        """Take in what a try came to; whether its words are new."""
        is_news, self._words, self._is_done = words != self._words, words, is_done
        self._due_s = time.monotonic() + self._pause_s
        self._pause_s = min(2.0 * self._pause_s, _LONGEST_S)
        return is_news


async def lasting_bars(feed: BarFeed, tell: Callable[[str], None], first_s: float) -> AsyncIterator[Bars]:
    """Bars of a feed that is begun again whenever it breaks; whoever takes them passes over those it had before.

    A page of the network edge or one malformed answer must not end the loop that keeps a position protected: without
    bars nothing is decided, the feed is stale, and what is held is looked after.

    Args:
        feed: of the bars.
        tell: told the first time it breaks, and again once it worked between.
        first_s: pause after the first failure, seconds; each next one is twice as long, up to a minute.
    """
    pause_s = first_s
    while True:
        try:
            async for bars in feed.bars():
                pause_s = first_s
                yield bars
            return
        except (VenueError, DataError) as error:
            if pause_s == first_s:
                tell(f"the feed broke: {error}; what is held is protected, the feed is begun again")
            await asyncio.sleep(pause_s)
            pause_s = min(2.0 * pause_s, _LONGEST_S)
