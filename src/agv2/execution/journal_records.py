"""What the journal holds: one frozen value a kind, written as JSON and read back as the same value.

Floats survive to the last bit; NaN and infinities are written as words, so that every line is plain JSON.
"""

import base64
import dataclasses
import json
import math
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, ClassVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from agv2.core.account import Account
from agv2.core.arrays import Float32Array
from agv2.core.bars import Bar
from agv2.core.errors import DataError
from agv2.decision.actions import Action
from agv2.decision.planner import Plan
from agv2.execution.broker_messages import BracketChange, BrokerFill, BrokerPosition, WriteReply
from agv2.execution.order_states import OrderEvent, OrderState
from agv2.execution.order_track import IntentKind
from agv2.risk.level_stop import NearLevels
from agv2.risk.limits import RiskState
from agv2.risk.position_sizer import AccountView

__all__ = [
    "RECORD_KINDS",
    "BarSeen",
    "BracketIntended",
    "BrokerSaved",
    "DecisionMade",
    "FillSeen",
    "GuardChanged",
    "InputsSeen",
    "IntentMade",
    "JournalRecord",
    "Killed",
    "Noted",
    "OrderMoved",
    "PositionEnded",
    "PositionSeen",
    "RampSaved",
    "Rearmed",
    "ReplyReceived",
    "RequestSent",
    "RiskSaved",
    "Started",
    "Stopped",
    "plain_json",
    "record_of_json",
    "record_to_json",
]


@dataclass(frozen=True, slots=True)
class Started:
    """A trader began to work."""

    kind: ClassVar[str] = "started"
    mode: str
    """`paper` or `live`."""
    broker: str
    symbols: tuple[str, ...]
    code_version: str
    config_digest: str
    bundle_digest: str
    settings: dict[str, Any]
    """Whatever else a replay must know; plain JSON values, no secrets."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A trader ended on purpose; after a kill there is none."""

    kind: ClassVar[str] = "stopped"
    reason: str


@dataclass(frozen=True, slots=True)
class BarSeen:
    """A bar that closed: an input."""

    kind: ClassVar[str] = "bar"
    symbol: str
    timeframe: str
    bar: Bar


@dataclass(frozen=True, slots=True)
class InputsSeen:
    """What the decision at a bar read beside the bar and the book: inputs."""

    kind: ClassVar[str] = "inputs"
    symbol: str
    bar_ts_ns: int
    volatility: float
    levels: NearLevels
    market_row: str
    """Embedding and head predictions: float32, little endian, base64; see `packed_row`."""
    account_view: AccountView

    @staticmethod
    def packed_row(row: Float32Array) -> str:
        """(n,) float32 as text."""
        return base64.b64encode(np.ascontiguousarray(row, dtype="<f4").tobytes()).decode()

    def row(self) -> Float32Array:
        """(n,) float32, bit for bit what was packed."""
        return np.frombuffer(base64.b64decode(self.market_row), dtype="<f4").astype(np.float32)


@dataclass(frozen=True, slots=True)
class DecisionMade:
    """What was decided at the close of a bar, and on which book."""

    kind: ClassVar[str] = "decision"
    symbol: str
    bar_ts_ns: int
    observation_digest: str
    """SHA-256 of the observation's bytes."""
    action: Action
    plan: Plan
    entropy: float
    value: float
    book: Account
    number: int = 0
    """Counts the decisions on the symbol; also the order's identity where there is one."""
    held_back: str = ""
    """`reducing` or `flat` where a halt or a doubt left only that of the policy's wishes."""
    restraint: str = ""
    """Why."""
    size_share: float = 1.0
    """Of the usual size, that a ramp allowed."""
    trace: str = ""
    """Its place in a trace, as a `traceparent`; empty where nobody collects."""


@dataclass(frozen=True, slots=True)
class IntentMade:
    """Something is about to be asked of the venue: written, and safe on the disk, before the request."""

    kind: ClassVar[str] = "intent"
    intent_id: str
    what: IntentKind
    symbol: str
    units: float
    stop_loss: float
    take_profit: float
    order_id: int
    reason: int
    decided_ns: int
    position_id: str | None = None
    units_before: float = 0.0
    trace: str = ""
    """Its place in a trace, as a `traceparent`; empty where nobody collects."""


@dataclass(frozen=True, slots=True)
class BracketIntended:
    """Stop and target that a position shall have: written before they are asked for."""

    kind: ClassVar[str] = "bracket"
    change: BracketChange


@dataclass(frozen=True, slots=True)
class RequestSent:
    """From here on the venue may have heard of it."""

    kind: ClassVar[str] = "request"
    intent_id: str
    what: str
    """`submit`, `close`, `amend` or `cancel`."""


@dataclass(frozen=True, slots=True)
class ReplyReceived:
    """What came back."""

    kind: ClassVar[str] = "reply"
    intent_id: str
    what: str
    reply: WriteReply


@dataclass(frozen=True, slots=True)
class OrderMoved:
    """An order went along an edge of its state machine."""

    kind: ClassVar[str] = "order"
    intent_id: str
    symbol: str
    before: OrderState
    event: OrderEvent
    after: OrderState
    filled_units: float
    average_price: float | None
    venue_order_id: str | None
    position_id: str | None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class FillSeen:
    """An execution that was not known before."""

    kind: ClassVar[str] = "fill"
    fill: BrokerFill


@dataclass(frozen=True, slots=True)
class PositionSeen:
    """A position as the venue shows it, where that is news."""

    kind: ClassVar[str] = "position"
    position: BrokerPosition
    is_ours: bool


@dataclass(frozen=True, slots=True)
class PositionEnded:
    """A position that was there is there no longer."""

    kind: ClassVar[str] = "position_ended"
    position_id: str
    symbol: str
    is_ours: bool


@dataclass(frozen=True, slots=True)
class RiskSaved:
    """The limits' memory, written before any order that was decided under it."""

    kind: ClassVar[str] = "risk"
    account: str
    """Whose limits: an account, or a book of it."""
    bar_ts_ns: int
    state: RiskState


@dataclass(frozen=True, slots=True)
class RampSaved:
    """How far the size of new positions has grown: once a trading day, before a position of the new size."""

    kind: ClassVar[str] = "ramp"
    symbol: str
    step: int
    """From 0."""
    share: float
    """Of the permitted size."""
    clean_days: int
    """Trading days at this step that speak for the next."""
    reason: str
    """What the day brought."""
    memory: dict[str, Any]
    """All of the ramp's state; plain JSON values."""


@dataclass(frozen=True, slots=True)
class BrokerSaved:
    """Everything that a simulated venue must remember; a real one remembers by itself."""

    kind: ClassVar[str] = "broker"
    state: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Killed:
    """The kill switch was thrown: nothing is opened until a person re-arms."""

    kind: ClassVar[str] = "kill"
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Rearmed:
    """A person allowed new positions again."""

    kind: ClassVar[str] = "rearm"
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class GuardChanged:
    """A guard tripped, became stricter, or was re-armed by a person."""

    kind: ClassVar[str] = "guard"
    symbol: str
    event: str
    """`tripped`, `raised` or `rearmed`."""
    guard: str
    level: str
    """`halt` or `flatten`, as it became; for `rearmed` as it was."""
    reason: str
    evidence: dict[str, float | str]
    by: str = ""
    note: str = ""
    """Why, in the words of who re-armed."""


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that a person should know: foreign positions, repairs, contradictions."""

    kind: ClassVar[str] = "note"
    level: str
    """`info`, `warning` or `alarm`."""
    text: str
    symbol: str = ""


JournalRecord = (
    Started
    | Stopped
    | BarSeen
    | InputsSeen
    | DecisionMade
    | IntentMade
    | BracketIntended
    | RequestSent
    | ReplyReceived
    | OrderMoved
    | FillSeen
    | PositionSeen
    | PositionEnded
    | RiskSaved
    | RampSaved
    | BrokerSaved
    | Killed
    | Rearmed
    | GuardChanged
    | Noted
)
"""Any of them."""

RECORD_KINDS: dict[str, type[JournalRecord]] = {each.kind: each for each in JournalRecord.__args__}
"""Class of each kind's name."""

_WORDS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def record_to_json(record: JournalRecord) -> str:
    """The record's fields as one line of JSON, names in order."""
    return json.dumps(plain_json(record), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def record_of_json(kind: str, body: str) -> JournalRecord:
    """The record that `record_to_json` wrote.

    Raises:
        DataError: there is no such kind, or the body is none of it.
    """
    cls = RECORD_KINDS.get(kind)
    if cls is None:
        raise DataError(f"the journal holds a record of kind {kind!r}, which this AGV2 does not know; upgrade it")
    try:
        record: JournalRecord = _adapter(kind).validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(f"the journal holds a {kind} record that cannot be read: {where}: {first['msg']}") from None
    return record


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(RECORD_KINDS[kind])


def plain_json(value: Any) -> Any:
    """What JSON can say of `value`; tuples with names become objects, so that a person can read them.

    Raises:
        TypeError: it holds something else than frozen values, numbers, texts and containers of them.
    """
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):  # numpy's is one too
        return float(value) if math.isfinite(value) else _WORDS[str(float(value))]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain_json(each) for name, each in value._asdict().items()}
    if isinstance(value, dict):
        return {str(key): plain_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(each) for each in value]
    if isinstance(value, np.generic):
        return plain_json(value.item())
    raise TypeError(f"a journal record cannot hold {type(value).__name__}")
