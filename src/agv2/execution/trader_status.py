"""What a trader shows of itself: the newest of everything, for a terminal, a page or a log."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from agv2.core.account import Account
from agv2.core.bars import Bar
from agv2.execution.attribution import Attribution
from agv2.execution.broker_messages import BrokerFill
from agv2.execution.feed_watch import FeedHealth
from agv2.execution.journal_records import DecisionMade
from agv2.execution.kill_switch import SwitchState
from agv2.risk.config import RiskParams
from agv2.risk.limits import RiskState

__all__ = ["MadeDecision", "Tell", "TraderStatus"]

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class MadeDecision:
    """A decision and what held it back."""

    record: DecisionMade
    restraint: str
    """Why nothing could be opened; empty where nothing stood in the way."""
    outcome: str
    """What became of its order, in a word; empty where there was none."""


@dataclass(slots=True)
class TraderStatus:
    """The newest of everything; changed in place by the trader alone."""

    mode: str
    symbol: str
    timeframe: str
    broker: str
    bar: Bar | None = None
    book: Account | None = None
    risk: RiskState | None = None
    params: RiskParams | None = None
    first_equity: float = 0.0
    health: FeedHealth = FeedHealth.WAITING
    age_s: float = 0.0
    skew_s: float = 0.0
    doubt: str = ""
    """Why the venue's picture cannot be trusted; empty where it can."""
    restraint: str = ""
    """Why nothing is opened now; empty where nothing stands in the way."""
    ramp: str = ""
    """How far the size of new positions has grown; empty where it does not have to."""
    tripped: tuple[str, ...] = ()
    """Guards that have tripped and were not re-armed, a line each."""
    switch: SwitchState = field(default_factory=lambda: SwitchState(""))
    attribution: Attribution | None = None
    decisions: deque[MadeDecision] = field(default_factory=lambda: deque(maxlen=_SHOWN))
    fills: deque[BrokerFill] = field(default_factory=lambda: deque(maxlen=_SHOWN))
    n_bars: int = 0
    n_decisions: int = 0
    n_orders: int = 0
    n_fills: int = 0
    news: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=_SHOWN))
    """Level (`info`, `warning`, `alarm`) and text of the last notes."""


Tell = Callable[[TraderStatus, str], None]
"""Told of every change, and why: `bar`, `decision`, `fill`, `note` or `tick`."""
