"""The table of edges: as drawn, walked edge by edge, and under fire."""

import dataclasses
import re
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.core.errors import InvariantError
from agv2.execution.broker_messages import BrokerOrder, BrokerOrderStatus, WriteOutcome
from agv2.execution.journal import Journal
from agv2.execution.journal_records import IntentMade, OrderMoved, RequestSent
from agv2.execution.order_ledger import OrderLedger
from agv2.execution.order_states import EDGES, OrderEvent, OrderState, next_state
from agv2.execution.order_track import IntentKind, OrderTrack, event_of_reply

PAGE = Path(__file__).resolve().parents[2] / "docs" / "orders.md"

TRACK = OrderTrack("agv2-x-000001", IntentKind.OPEN, "ETHUSD", 3.0, 90.0, 115.0, 1, 1, 5, 7)


def a_listing(
    filled: float = 0.0,
    status: BrokerOrderStatus = BrokerOrderStatus.WORKING,
    units: float = 3.0,
    symbol: str = "ETHUSD",
) -> BrokerOrder:
    price = 100.0 if filled else None
    return BrokerOrder("77", symbol, units, filled, price, status, "market", None, TRACK.intent_id, None, 8)


def shortest_ways() -> dict[OrderState, list[OrderEvent]]:
    """Events that lead from the beginning to each state."""
    ways: dict[OrderState, list[OrderEvent]] = {OrderState.INTENDED: []}
    queue = deque([OrderState.INTENDED])
    while queue:
        state = queue.popleft()
        for (before, event), after in EDGES.items():
            if before is state and after not in ways:
                ways[after] = [*ways[state], event]
                queue.append(after)
    return ways


def test_the_drawing_is_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = {(before.value, event.value, after.value) for (before, event), after in EDGES.items()}
    drawn = re.findall(r"^ {4}(\w+) --> (\w+): (\w+)$", text, flags=re.MULTILINE)
    assert {(before, event, after) for before, after, event in drawn} == table
    assert len(drawn) == len(EDGES)
    written = re.findall(r"^\| (\w+) \| (\w+) \| (\w+) \|$", text, flags=re.MULTILINE)
    assert set(written) == table
    assert "    [*] --> intended\n" in text


def test_every_state_is_reached_and_every_settled_one_is_an_end_of_ours() -> None:
    ways = shortest_ways()
    assert set(ways) == set(OrderState)
    ours = {OrderEvent.SEND, OrderEvent.DROP, OrderEvent.ACCEPT, OrderEvent.REFUSE, OrderEvent.NOT_SENT}
    for before, event in EDGES:
        if before.is_settled:
            assert event not in ours | {OrderEvent.DOUBT, OrderEvent.GIVE_UP}
        assert not (before.is_settled and before.is_doubtful)


def test_from_every_state_there_is_a_way_to_an_end() -> None:
    for start in OrderState:
        reached, queue = {start}, deque([start])
        while queue:
            state = queue.popleft()
            for (before, _), after in EDGES.items():
                if before is state and after not in reached:
                    reached.add(after)
                    queue.append(after)
        assert any(state.is_settled for state in reached)


@pytest.mark.parametrize(("before", "event"), list(EDGES), ids=lambda value: value.value)
def test_every_edge_is_walked_journalled_and_loaded_again(
    before: OrderState, event: OrderEvent, tmp_path: Path
) -> None:
    after = EDGES[before, event]
    with Journal(tmp_path / "j.db") as journal:
        ledger = OrderLedger(journal.identity)

        def write(record: IntentMade | RequestSent | OrderMoved) -> None:
            journal.append(record)
            ledger.apply(record, 9)

        write(IntentMade(TRACK.intent_id, TRACK.kind, TRACK.symbol, 3.0, 90.0, 115.0, 1, 1, 5))
        for step in [*shortest_ways()[before], event]:
            track = ledger.tracks[TRACK.intent_id]
            if step is OrderEvent.SEND:
                write(RequestSent(TRACK.intent_id, "submit"))
                continue
            state = next_state(track.state, step)
            write(OrderMoved(TRACK.intent_id, TRACK.symbol, track.state, step, state, 0.0, None, None, None))
        assert ledger.tracks[TRACK.intent_id].state is after
        again = OrderLedger.load(journal)
        assert again.tracks[TRACK.intent_id].state is after
        assert [each.intent_id for each in again.unsettled()] == ([] if after.is_settled else [TRACK.intent_id])
        assert [each.intent_id for each in again.in_doubt()] == ([TRACK.intent_id] if after.is_doubtful else [])


@given(st.sampled_from(OrderState), st.sampled_from(OrderEvent))
def test_any_other_step_is_refused(state: OrderState, event: OrderEvent) -> None:
    if (state, event) in EDGES:
        assert next_state(state, event) is EDGES[state, event]
    else:
        with pytest.raises(InvariantError, match=f"{state} cannot {event}"):
            next_state(state, event)


@given(st.lists(st.sampled_from(OrderEvent), max_size=30))
def test_no_order_is_sent_twice_whatever_happens(events: list[OrderEvent]) -> None:
    state, sent = OrderState.INTENDED, 0
    for event in events:
        if (state, event) in EDGES:
            state = next_state(state, event)
            sent += event is OrderEvent.SEND
    assert sent <= 1


LISTINGS = st.builds(
    a_listing,
    filled=st.sampled_from([0.0, 0.1, 1.5, 2.999999999999, 3.0]),
    status=st.sampled_from(BrokerOrderStatus),
)


@settings(max_examples=300)
@given(
    st.sampled_from([OrderState.UNKNOWN, OrderState.WORKING, OrderState.ABSENT, OrderState.REFUSED]), st.lists(LISTINGS)
)
def test_whatever_a_venue_shows_fills_only_grow_and_every_step_is_an_edge(
    start: OrderState, listings: list[BrokerOrder]
) -> None:
    track = dataclasses.replace(TRACK, state=start)
    for seen in listings:
        try:
            event = track.event_of(seen)
            moved = track if event is None else track.with_fill(seen).after(event, 10)
        except InvariantError:
            continue  # the kill switch's business; nothing was changed
        assert abs(moved.filled_units) >= abs(track.filled_units)
        assert moved.state is track.state or (track.state, event) in EDGES
        if moved.state is OrderState.FILLED:
            assert moved.filled_units == pytest.approx(3.0)
        if moved.state is OrderState.REJECTED:
            assert moved.filled_units == 0.0
        track = moved


@given(LISTINGS)
def test_seeing_the_same_again_is_no_news(seen: BrokerOrder) -> None:
    track = dataclasses.replace(TRACK, state=OrderState.UNKNOWN)
    event = track.event_of(seen)
    assert event is not None
    moved = track.with_fill(seen).after(event, 10)
    assert moved.event_of(seen) is None


def test_a_list_that_lags_behind_is_passed_over() -> None:
    filled = dataclasses.replace(TRACK, state=OrderState.FILLED, filled_units=3.0)
    assert filled.event_of(a_listing()) is None
    part = dataclasses.replace(TRACK, state=OrderState.PART_FILLED, filled_units=1.5)
    assert part.event_of(a_listing()) is None
    assert part.event_of(a_listing(2.0)) is OrderEvent.SEE_PART


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (a_listing(units=-3.0), "the venue shows -3"),
        (a_listing(symbol="BTCUSD"), "BTCUSD"),
        (a_listing(filled=4.0), "4 filled"),
        (a_listing(filled=-1.0), "-1 filled"),
        (a_listing(filled=1.0, status=BrokerOrderStatus.CANCELLED), "now says 1"),
    ],
)
def test_a_contradiction_is_one(seen: BrokerOrder, says: str) -> None:
    track = dataclasses.replace(TRACK, state=OrderState.PART_FILLED, filled_units=1.5)
    with pytest.raises(InvariantError, match=says):
        track.event_of(seen)


def test_every_answer_to_a_request_is_an_edge_of_what_was_sent() -> None:
    for outcome in WriteOutcome:
        assert (OrderState.SENT, event_of_reply(outcome)) in EDGES
