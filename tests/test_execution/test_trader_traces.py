"""One trace from a bar to the fill of its order, found from the journal and from the log."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agv2.execution.journal_records import DecisionMade, FillSeen, IntentMade
from agv2.execution.order_track import IntentKind
from agv2.utils.tracing import Place, SpanKind, spans_to
from tests.execution_venues import fake_venue
from tests.kept_spans import KeptSpan, KeptSpans
from tests.test_execution.test_trader_at_venue import VenueDay, venue_prices


@pytest.fixture
async def day(tmp_path: Path) -> AsyncIterator[VenueDay]:
    prices = venue_prices()
    async with fake_venue(prices) as venue:
        yield VenueDay(venue, tmp_path, prices)


async def test_a_bar_is_one_trace_down_to_the_fill_of_its_order(day: VenueDay) -> None:
    kept = KeptSpans()
    with spans_to(kept):
        await day.run(10)
    assert all(each.is_over for each in kept.spans)
    by_place = {each.place: each for each in kept.spans}

    def above(each: KeptSpan) -> list[str]:
        found = []
        while each.parent is not None:
            each = by_place[each.parent]
            found.append(each.name)
        return found

    assert len(kept.named("bar")) == len(day.records(DecisionMade)) == 10
    assert {tuple(above(each)) for each in (*kept.named("policy"), *kept.named("risk"))} == {("decide", "bar")}
    opened = [each for each in day.records(IntentMade) if each.what is IntentKind.OPEN]
    assert opened
    for intent in opened:
        place = Place.parse(intent.trace)
        assert place is not None
        own = [each for each in kept.spans if each.attributes.get("intent_id") == intent.intent_id]
        assert {"intent", "submit", "fill"} <= {each.name for each in own}
        assert {each.place.trace_id for each in own} == {place.trace_id}, "its fills too, however late"
        (sent,) = [each for each in own if each.name == "submit"]
        assert (sent.kind, above(sent), sent.attributes["outcome"]) == (SpanKind.CLIENT, ["order", "bar"], "accepted")
    assert len(kept.named("fill")) == len(day.records(FillSeen))
    bars = {each.place.trace_id: each.attributes["bar_ts"] for each in kept.named("bar")}
    for made in day.records(DecisionMade):
        place = Place.parse(made.trace)
        assert place is not None
        assert bars[place.trace_id] == made.bar_ts_ns // 10**9


async def test_without_a_tracer_the_journal_has_no_trace(day: VenueDay) -> None:
    await day.run(3)
    assert {each.trace for each in day.records(DecisionMade, IntentMade)} == {""}
