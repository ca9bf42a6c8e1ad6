"""What callers and the service say to each other; the OpenAPI page is made from these."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agv2.core.errors import DataError

__all__ = [
    "AccountIn",
    "AllGuardsOut",
    "ApprovalAnswer",
    "ApprovalOut",
    "ApprovalsOut",
    "BarsIn",
    "BookIn",
    "DecideIn",
    "DecideOut",
    "DecisionsOut",
    "GuardsOut",
    "HealthOut",
    "HistoryGapError",
    "Kill",
    "KillOut",
    "OrderOut",
    "Problem",
    "ReadyOut",
    "Rearm",
    "Reason",
    "RecordRef",
    "StateOut",
    "SymbolOut",
    "TrippedOut",
]


class HistoryGapError(DataError):
    """The bars told do not connect to those told before, contradict them, or are too few."""


Price = Annotated[float, Field(gt=1e-9, lt=1e12)]
PriceOrNone = Annotated[float, Field(ge=0.0, lt=1e12)]
"""0: there is none."""
Money = Annotated[float, Field(gt=-1e15, lt=1e15)]
Units = Annotated[float, Field(gt=-1e15, lt=1e15)]
Size = Annotated[float | None, Field(ge=0.0, lt=1e15)]
Count = Annotated[int, Field(ge=0, le=10_000_000)]
Stamp = Annotated[int, Field(ge=0, le=7_258_118_400)]
"""Seconds since 1970, UTC, before the year 2200."""
Prices = Annotated[list[Price], Field(min_length=1, max_length=20_000)]
Unknown = Annotated[list[Size] | None, Field(max_length=20_000)]


class Message(BaseModel):
    """Unknown entries are refused, and so are NaN and infinities."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class BarsIn(Message):
    """Closed bars by column, oldest first."""

    ts: Annotated[list[Stamp], Field(min_length=1, max_length=20_000)]
    """Open time of each, Unix seconds, rising."""
    open: Prices
    high: Prices
    low: Prices
    close: Prices
    volume: Unknown = None
    spread: Unknown = None
    """Ask minus bid in price units; null where unknown."""

    @model_validator(mode="after")
    def _are_bars(self) -> "BarsIn":
        columns = (self.open, self.high, self.low, self.close, self.volume, self.spread)
        if any(column is not None and len(column) != len(self.ts) for column in columns):
            raise ValueError("the columns differ in length")
        if any(late <= early for early, late in zip(self.ts, self.ts[1:], strict=False)):
            raise ValueError("ts must rise from bar to bar")
        rows = zip(self.ts, self.open, self.high, self.low, self.close, strict=True)
        for ts, first, high, low, last in rows:
            if not low <= min(first, last) <= max(first, last) <= high:
                raise ValueError(f"the bar of {ts} has open or close outside of low and high")
        return self


class BookIn(Message):
    """The account's position in this symbol after the newest bar; as it is, all of it flat and never traded."""

    cash: Money
    """Settled money; equity is this plus units times the newest close."""
    units: Units = 0.0
    """Signed base units held."""
    entry_price: PriceOrNone = 0.0
    initial_risk: PriceOrNone = 0.0
    """Distance from entry to its first stop, price units."""
    stop_loss: PriceOrNone = 0.0
    take_profit: PriceOrNone = 0.0
    bars_held: Count = 0
    bars_flat: Count | None = None
    """Bars since the last position was closed; null: there was none."""


class AccountIn(Message):
    """The account that the book is part of; without it the book is all of it."""

    equity: Money
    other_notional: Annotated[float, Field(ge=0.0, lt=1e15)] = 0.0
    """Gross notional of other symbols, held and pending."""
    other_positions: Count = 0


class DecideIn(Message):
    """One question: what to do at the close of the newest bar."""

    symbol: Annotated[str, Field(min_length=1, max_length=64)]
    bars: BarsIn
    """All that a decision needs (`/v1/state` says how many), or the newest ones, beginning with a bar told before."""
    book: BookIn
    account: AccountIn | None = None


class RecordRef(Message):
    """A record of the audit log; kept elsewhere, it proves later that the log up to it is what it was."""

    number: int
    sha256: str


class OrderOut(Message):
    """A market order for the next open, with the bracket of the position that results."""

    order_id: int
    units: float
    """Signed change in base units; 0 withdraws what is pending."""
    stop_loss: float
    take_profit: float
    reason: str


class ApprovalOut(Message):
    """A position that waits for a person, or did."""

    approval_id: str
    symbol: str
    asked_ns: int
    expires_ns: int
    status: Literal["pending", "approved", "denied", "expired"]
    proposal: dict[str, object]
    actor: str
    reason: str
    answered_ns: int


class DecideOut(Message):
    """One decision and its grounds."""

    request_id: str
    record: RecordRef
    model: str
    """Digest of the bundle."""
    symbol: str
    bar_ts: int
    """Open time of the newest bar, Unix seconds."""
    status: Literal["order", "hold", "awaiting_approval"]
    order: OrderOut | None
    """What to send; null: nothing, or nothing before a person has said yes."""
    approval: ApprovalOut | None
    side: Literal["flat", "long", "short"]
    """Of the position that this leads to."""
    stop_loss: float
    take_profit: float
    before_units: float
    """What the policy's wish came to before the risk layer, signed units."""
    after_units: float
    reason: str
    """What became of the wish: one of the planner's words, or `kill_switch`."""
    probabilities: dict[str, list[float]]
    """Of each choice: position as flat, long, short; size, stop and target from small to large."""
    entropy: float
    value: float
    volatility: float
    regime: dict[str, float]
    """Probability of trend, consolidation and volatile."""
    halted: bool
    killed: bool
    risk: dict[str, float]
    """The limits' memory after this bar."""


class DecisionsOut(Message):
    """Newest records of decisions, the newest first."""

    decisions: list[dict[str, object]]
    head: RecordRef
    """The audit log's newest record."""


class KillOut(Message):
    """Whether new positions are forbidden."""

    engaged: bool
    since_ns: int
    actor: str
    reason: str
    flattens: bool
    """Whether what is held is closed as well."""


class Reason(Message):
    """Why a person does it; it goes into the audit log."""

    reason: Annotated[str, Field(min_length=3, max_length=500)]


class Kill(Reason):
    """Why new positions are forbidden, and whether what is held is closed as well."""

    flatten: bool = False


class Rearm(Reason):
    """Why a person allows new positions again, and whether the limits begin anew."""

    fresh_limits: bool = False
    """Peak and daily start are the next decision's equity: after a deposit, or a wrong figure told."""


class ApprovalAnswer(Message):
    """Yes or no to one request."""

    approve: bool
    reason: Annotated[str, Field(max_length=500)] = ""


class ApprovalsOut(Message):
    """Requests of the last week, the newest first."""

    approvals: list[ApprovalOut]


class SymbolOut(Message):
    """One served market."""

    symbol: str
    timeframe: str
    bar_s: int
    """Length of a bar, seconds."""
    bars_needed: int
    bars_known_until: int | None
    """Open time of the newest bar told; null: none yet."""


class TrippedOut(Message):
    """A guard that has tripped and was not re-armed."""

    symbol: str
    guard: str
    level: Literal["halt", "flatten"]
    since_ns: int
    reason: str


class GuardsOut(Message):
    """The guards of one market."""

    symbol: str
    on: list[str]
    off: list[str]
    """Each with its reason."""
    tripped: list[TrippedOut]
    seen_bars: int
    """Since the guards of this bundle began, or were re-armed."""
    drift_limit_share: float | None
    """Of the feature that has strayed furthest; beyond 1 it trips. Null: that guard is off."""


class AllGuardsOut(Message):
    """The guards of every served market."""

    markets: list[GuardsOut]


class StateOut(Message):
    """Everything that a person looks at first."""

    account: str
    model: str
    trained_on: str
    runtime: str
    symbols: list[SymbolOut]
    kill: KillOut
    risk: dict[str, float] | None
    """The limits' memory; null before the first decision."""
    lease_held: bool
    lease_owner: str
    approvals_pending: int
    tripped: list[TrippedOut]
    head: RecordRef
    started_ns: int


class HealthOut(Message):
    """The process answers."""

    status: Literal["ok"]


class ReadyOut(Message):
    """Whether decisions can be asked for, and what is still missing."""

    ready: bool
    checks: dict[str, bool]


class Problem(Message):
    """Why a request was not carried out."""

    problem: str
    request_id: str
    details: list[str] = []
