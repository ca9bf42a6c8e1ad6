"""A tracer that keeps spans in memory: no library, no network."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

from agv2.utils.tracing import Attribute, Place, SpanKind

__all__ = ["KeptSpan", "KeptSpans"]


@dataclass
class KeptSpan:
    """One span, over or not."""

    name: str
    place: Place
    parent: Place | None
    kind: SpanKind
    attributes: dict[str, Attribute]
    led: list[str] = field(default_factory=list)
    is_over: bool = False
    error: BaseException | None = None

    def tell(self, **attributes: Attribute) -> None:
        self.attributes |= attributes

    def rename(self, name: str) -> None:
        self.name = name

    def led_to(self, name: str) -> None:
        self.led.append(name)

    def end(self, error: BaseException | None) -> None:
        self.is_over, self.error = True, error


class KeptSpans:
    """Every span, in the order in which they began."""

    def __init__(self) -> None:
        self.spans: list[KeptSpan] = []
        self._numbers = itertools.count(1)

    def begin(
        self, name: str, parent: Place | None, kind: SpanKind, attributes: Mapping[str, Attribute]
    ) -> KeptSpan:  # fmt: skip
        number = next(self._numbers)
        trace_id = f"{number:032x}" if parent is None else parent.trace_id
        made = KeptSpan(name, Place(trace_id, f"{number:016x}"), parent, kind, dict(attributes))
        self.spans.append(made)
        return made

    def named(self, name: str) -> list[KeptSpan]:
        return [each for each in self.spans if each.name == name]
