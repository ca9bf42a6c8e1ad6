"""What a trader is made of, and how it behaves beside deciding."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from agv2.core.bars import Bar, Bars
from agv2.core.timeframes import Timeframe
from agv2.decision.decider import Decider
from agv2.decision.market_view import MarketView
from agv2.execution.desk import Desk
from agv2.execution.feed_watch import FeedWatch
from agv2.execution.journal import Journal
from agv2.execution.journal_records import Started
from agv2.execution.kill_switch import KillSwitch
from agv2.execution.ports import BarFeed
from agv2.execution.safeguards import NoSafeguards, Safeguards
from agv2.execution.size_ramp import FullSize, SizeRamp
from agv2.execution.trader_status import Tell
from agv2.sim.costs import Costs
from agv2.utils.clock import Clock

__all__ = ["Model", "TraderParts", "TraderRules"]


class Model(Protocol):
    """Who sees and decides; `deploy.model_loader.ServedMarket` is one."""

    @property
    def bars_needed(self) -> int:
        """Closed bars that a view reads."""
        ...

    @property
    def decider(self) -> Decider:
        """Policy, limits and market."""
        ...

    @property
    def costs(self) -> Costs:
        """The model's idea of what trading costs."""
        ...

    def read(self, bars: Bars) -> list[Bar]:
        """Bars as the kernels read them."""
        ...

    def view(self, bars: Bars) -> MarketView:
        """What may be known at the close of the newest bar."""
        ...


@dataclass(frozen=True, slots=True)
class TraderRules:
    """How a trader behaves beside deciding."""

    mode: str
    """`paper` or `live`."""
    symbol: str
    timeframe: Timeframe
    flatten_on_stop: bool = False
    """Close what is held when asked to stop; else it stays, with its stop at the venue."""
    poll_s: float = 1.0
    """Seconds between looks at the kill switch and the venue while no bar closes."""
    once: bool = False
    """Stop after one bar that could be decided on."""
    once_wait_s: float = math.inf
    """And wait no longer than this for it, seconds."""


Turn = Callable[[], AbstractAsyncContextManager[str]]


@asynccontextmanager
async def _own_turn() -> AsyncIterator[str]:
    """Nobody else trades the account."""
    yield ""


@dataclass(frozen=True, slots=True)
class TraderParts:
    """What a trader works with.

    Attributes:
        model: sees and decides; None: nothing is opened, what is held stays protected.
        desk: deals with the venue.
        feed: closed bars after `history`.
        history: closed bars before the first that is traded; empty where there is no model.
        journal: everything goes into it.
        switch: halts the trader, whoever throws it.
        clock: says how old a bar is.
        watch: of the feed.
        ramp: says how much of the permitted size a new position may have now.
        started: what the journal says of this start.
        tell: told of every change.
        venue_now: the venue's time, where there is one beside `clock`.
        safeguards: told of every bar; they throw the switch.
        turn: entered for a decision and its order; gives why nothing may be opened, empty where nothing stands in
            the way. Traders of one account take turns.
    """

    model: Model | None
    desk: Desk
    feed: BarFeed
    history: Bars
    journal: Journal
    switch: KillSwitch
    clock: Clock
    watch: FeedWatch
    started: Started
    ramp: SizeRamp = field(default_factory=FullSize)
    tell: Tell = lambda status, what: None
    venue_now: Callable[[], int] | None = None
    safeguards: Safeguards = field(default_factory=NoSafeguards)
    turn: Turn = _own_turn
