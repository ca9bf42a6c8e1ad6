"""What the service tells those who watch it, such as its console."""

from typing import Literal

from agv2.deploy.messages import ApprovalOut, Message, StateOut

__all__ = [
    "BandOut",
    "BarsOut",
    "DriftOut",
    "EquityOut",
    "EventOut",
    "FeatureDriftOut",
    "FindingOut",
    "LimitOut",
    "MeOut",
    "OverviewOut",
    "PositionOut",
]


class MeOut(Message):
    """Whose token this is and what it may do."""

    token_id: str
    name: str
    role: Literal["viewer", "operator"]
    expires_ns: int
    """0: never."""


class BarsOut(Message):
    """The newest bars told of a symbol, by column, oldest first; empty before the first decision."""

    symbol: str
    bar_s: int
    """Length of a bar, seconds."""
    ts: list[int]
    """Open times, Unix seconds."""
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]


class BandOut(Message):
    """What the backtest leads to expect of the account's equity, by column."""

    ts: list[int]
    low: list[float]
    median: list[float]
    high: list[float]


class EquityOut(Message):
    """The account's equity at the bars that were decided on, as far as decisions are kept."""

    ts: list[int]
    """Open times of the bars, Unix seconds, rising."""
    equity: list[float]
    band: BandOut | None
    """Null: not known, and `band_unknown` says why."""
    band_unknown: str


class FeatureDriftOut(Message):
    """How far one feature has strayed from the training bars."""

    name: str
    stability_index: float
    """PSI, nats."""
    relative_entropy: float
    """KL, nats."""
    limit_share: float
    """The higher of both as a share of its own limit; beyond 1 the guard trips."""


class DriftOut(Message):
    """Every feature of a symbol, the furthest strayed first."""

    symbol: str
    features: list[FeatureDriftOut] | None
    """Null: not known, and `unknown` says why."""
    unknown: str


class FindingOut(Message):
    """A guard that has tripped and was not re-armed."""

    guard: str
    level: Literal["clear", "halt", "flatten"]
    since_ns: int
    reason: str


class LimitOut(Message):
    """One limit of the account and how much of it is used."""

    name: Literal["daily_loss", "drawdown", "exposure", "positions"]
    used: float | None
    """In the unit of `limit`; null: not known before a decision."""
    limit: float
    """Fraction of equity, of the peak, notional over equity, or a number of positions."""
    hit: bool
    """Whether it halts the account now."""


class PositionOut(Message):
    """One symbol's position, as last told; 0 where there is no such price."""

    symbol: str
    bar_ts: int
    close: float
    units: float
    entry_price: float
    stop_loss: float
    take_profit: float
    bars_held: int
    open_pnl: float


class OverviewOut(Message):
    """What a person watches, but for bars, decisions, equity and drift."""

    checks: dict[str, bool]
    """As `/ready` has them."""
    problem: str
    """Why `state` is null; empty otherwise."""
    state: StateOut | None
    approvals: list[ApprovalOut]
    """Those that wait, and the newest ten others."""
    limits: list[LimitOut]
    positions: list[PositionOut] | None
    """Null: not known since this start; nobody has told a book yet."""
    findings: list[FindingOut] | None
    """Of the guards; null: not known, and `findings_unknown` says why."""
    findings_unknown: str


class EventOut(Message):
    """One event: what has changed, or a sign of life."""

    now_ns: int
    """The service's time."""
    overview: OverviewOut | None
    """Null: as before."""
