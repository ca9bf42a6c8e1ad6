import asyncio
import contextvars
import io
import json
import threading
from collections.abc import Mapping

import pytest
import structlog

from agv2.core.errors import DataError
from agv2.utils.logging_config import configure_logging
from agv2.utils.tracing import (
    NO_BLOCK,
    Attribute,
    Place,
    Span,
    SpanKind,
    continuing,
    here,
    span,
    spans_to,
    step,
    trace_id,
)
from tests.kept_spans import KeptSpans

TEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_where_nobody_collects_every_block_is_one_object_that_does_nothing() -> None:
    assert span("a", symbol="X") is step("b") is NO_BLOCK
    with span("a") as nobody:
        nobody.tell(number=1)
        nobody.rename("b")
        nobody.led_to("c")
        assert (nobody.place, here(), trace_id()) == (None, None, "")


def test_spans_belong_to_what_they_began_in_also_in_threads_and_coroutines() -> None:
    kept = KeptSpans()

    async def inner() -> None:
        with step("inner"):
            await asyncio.sleep(0)

    with spans_to(kept), span("outer") as outer:
        asyncio.run(inner())
        context = contextvars.copy_context()
        thread = threading.Thread(target=lambda: context.run(lambda: step("thread").__enter__().end(None)))
        thread.start()
        thread.join()
        assert trace_id() == outer.place.trace_id  # type: ignore[union-attr]  # somebody collects
    assert {each.name: each.parent for each in kept.spans} == {
        "outer": None,
        "inner": outer.place,
        "thread": outer.place,
    }
    assert here() is None
    assert span("after") is NO_BLOCK


def test_a_step_is_nothing_where_nothing_is_traced() -> None:
    kept = KeptSpans()
    with spans_to(kept), step("state"):
        pass
    assert kept.spans == []


def test_what_fails_inside_fails_its_span_and_nothing_is_swallowed() -> None:
    kept = KeptSpans()
    with spans_to(kept), pytest.raises(DataError), span("outer"), span("inner"):
        raise DataError("no bars")
    assert [(each.is_over, str(each.error)) for each in kept.spans] == [(True, "no bars")] * 2


def test_a_tracer_that_fails_costs_its_spans_and_nothing_else() -> None:
    class Broken:
        def begin(self, name: str, parent: Place | None, kind: SpanKind, attributes: Mapping[str, Attribute]) -> Span:
            raise RuntimeError("out of order")

    with spans_to(Broken()), span("a") as nobody:
        nobody.tell(number=1)
        assert here() is None


def test_a_place_is_continued_and_none_begins_anew() -> None:
    kept = KeptSpans()
    with spans_to(kept), span("bar") as bar:
        with continuing(Place.parse(TEXT)), span("fill"):
            assert trace_id() == "4bf92f3577b34da6a3ce929d0e0e4736"
        with continuing(None), span("other"):
            pass
        assert here() == bar.place
    fill, other = kept.named("fill")[0], kept.named("other")[0]
    assert str(fill.parent) == TEXT
    assert other.parent is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        TEXT + "\n",
    ],
)
def test_what_is_no_place_is_none(text: str) -> None:
    assert Place.parse(text) is None


def test_lines_of_the_log_say_which_trace_they_belong_to() -> None:
    stream = io.StringIO()
    configure_logging(json=True, stream=stream)
    try:
        structlog.get_logger().info("before")
        with continuing(Place.parse(TEXT)):
            structlog.get_logger().info("inside")
    finally:
        structlog.reset_defaults()
    assert [json.loads(line).get("trace_id") for line in stream.getvalue().splitlines()] == [
        None,
        "4bf92f3577b34da6a3ce929d0e0e4736",
    ]
