"""Spans: what a decision went through and how long each step took, for whoever collects them.

The log's other half, not a fifth thing in this package. Where nobody collects, a span is one shared object that does
nothing, and no library is loaded; who collects (`deploy.otlp_traces`) is told by `spans_to`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from enum import Enum
from types import TracebackType
from typing import NamedTuple, Protocol

import structlog

__all__ = [
    "NO_BLOCK",
    "Attribute",
    "Place",
    "Span",
    "SpanKind",
    "Tracer",
    "continuing",
    "here",
    "span",
    "spans_to",
    "step",
    "trace_id",
    "traceparent",
]

Attribute = str | int | float | bool

_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_log = structlog.get_logger("agv2.traces")


class SpanKind(Enum):
    """On which side of a conversation a step is."""

    INTERNAL = 0
    SERVER = 1
    """It answers somebody."""
    CLIENT = 2
    """It asks somebody."""


class Place(NamedTuple):
    """A place in a trace, as `traceparent` of W3C Trace Context writes it."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 hexadecimal digits."""
    flags: str = "01"
    """`01`: it is recorded."""

    @classmethod
    def parse(cls, text: str) -> "Place | None":
        """The place that a `traceparent` names; None where it names none.

        >>> Place.parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").trace_id
        '4bf92f3577b34da6a3ce929d0e0e4736'
        """
        found = _PARENT.fullmatch(text)
        return None if found is None else cls(*found.groups())

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


class Span(Protocol):
    """A step under way."""

    @property
    def place(self) -> Place | None:
        """Where it is; None where nobody collects."""
        ...

    def tell(self, **attributes: Attribute) -> None:
        """Add what is known by now."""
        ...

    def rename(self, name: str) -> None:
        """Give it a better name."""
        ...

    def led_to(self, name: str) -> None:
        """What it did until now was a step of its own, which ends now."""
        ...

    def end(self, error: BaseException | None) -> None:
        """It is done, or failed."""
        ...


class Tracer(Protocol):
    """Who collects; must neither raise nor wait."""

    def begin(self, name: str, parent: Place | None, kind: SpanKind, attributes: Mapping[str, Attribute]) -> Span:
        """A span that begins now."""
        ...


class _Nothing:
    """The span of nobody, and the block that it is over."""

    place = None

    def __enter__(self) -> "Span":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def tell(self, **attributes: Attribute) -> None:
        pass

    def rename(self, name: str) -> None:
        pass

    def led_to(self, name: str) -> None:
        pass

    def end(self, error: BaseException | None) -> None:
        pass


NO_BLOCK: AbstractContextManager[Span] = _Nothing()
"""The block over a span of nobody."""

_here: ContextVar[Place | None] = ContextVar("agv2_trace_place", default=None)
_tracer: Tracer | None = None


def span(name: str, kind: SpanKind = SpanKind.INTERNAL, **attributes: Attribute) -> AbstractContextManager[Span]:
    """A block that is a step of what is under way here, also in coroutines and threads that copy the context.

    Args:
        name: of the step, the same for all of its kind.
        kind: answering somebody, asking somebody, or neither.
        attributes: what tells this one apart; no secrets.
    """
    return NO_BLOCK if _tracer is None else _Block(_tracer, name, kind, attributes)


def step(name: str, **attributes: Attribute) -> AbstractContextManager[Span]:
    """Like `span`, but nothing where nothing is traced: a part that says little by itself."""
    return NO_BLOCK if _tracer is None or _here.get() is None else _Block(_tracer, name, SpanKind.INTERNAL, attributes)


@contextmanager
def continuing(place: Place | None) -> Iterator[None]:
    """Spans inside belong to `place`, wherever that is; None: they begin a trace of their own."""
    token = _here.set(place)
    try:
        yield
    finally:
        _here.reset(token)


@contextmanager
def spans_to(tracer: Tracer) -> Iterator[None]:
    """While the block lasts, `tracer` gets every span of the process."""
    global _tracer
    before, _tracer = _tracer, tracer
    try:
        yield
    finally:
        _tracer = before


def here() -> Place | None:
    """The present place; None where there is neither a span nor a caller who named one."""
    return _here.get()


def traceparent() -> str:
    """The present place as `Place` writes it, for whoever goes on from here later; empty where there is none."""
    place = _here.get()
    return "" if place is None else str(place)


def trace_id() -> str:
    """Of the present place; empty where there is none."""
    place = _here.get()
    return "" if place is None else place.trace_id


class _Block:
    """A span and the block that it is over; whatever collecting does wrong stays here."""

    __slots__ = ("_attributes", "_kind", "_name", "_span", "_token", "_tracer")

    def __init__(self, tracer: Tracer, name: str, kind: SpanKind, attributes: Mapping[str, Attribute]) -> None:
        self._tracer, self._name, self._kind, self._attributes = tracer, name, kind, attributes
        self._span: Span = _Nothing()
        self._token: Token[Place | None] | None = None

    def __enter__(self) -> Span:
        try:
            self._span = self._tracer.begin(self._name, _here.get(), self._kind, self._attributes)
        except Exception:  # noqa: BLE001 - a decision does not depend on it
            _log.exception("span lost", name=self._name)
            return self._span
        if self._span.place is not None:
            self._token = _here.set(self._span.place)
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _here.reset(self._token)
        try:
            self._span.end(error)
        except Exception:  # noqa: BLE001 - a decision does not depend on it
            _log.exception("span lost", name=self._name)
