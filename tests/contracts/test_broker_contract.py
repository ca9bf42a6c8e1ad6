"""The broker contract, by number: what the executor relies on, at every broker there is.

Where the simulated venue cannot have a fault by nature it is ordered from it, so that each case is a real one.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from agv2.core.errors import InvariantError, RetryableVenueError
from agv2.core.orders import FillReason
from agv2.execution.broker_messages import (
    BracketChange,
    BrokerOrderStatus,
    BrokerPosition,
    Close,
    Submission,
    WriteOutcome,
)
from tests.execution_venues import (
    OTHER,
    START_NS,
    SYMBOL,
    Trouble,
    VenueUnderTest,
    an_order,
    fake_venue,
    quiet,
    simulated_venue,
)

Opening = Callable[..., AbstractAsyncContextManager[Any]]

NAME = "agv2-testcase-000001"


@pytest.fixture(params=["simulated", "tradelocker"])
def opening(request: pytest.FixtureRequest) -> Opening:
    return simulated_venue if request.param == "simulated" else fake_venue


@pytest.fixture
async def venue(opening: Opening) -> AsyncIterator[VenueUnderTest]:
    async with opening() as venue:
        yield venue


async def position_of(venue: VenueUnderTest, symbol: str = SYMBOL) -> BrokerPosition:
    (position,) = [each for each in (await venue.broker.state()).positions if each.symbol == symbol]
    return position


async def opened(venue: VenueUnderTest, **changes: Any) -> BrokerPosition:
    reply = await venue.broker.submit(Submission(NAME, SYMBOL, an_order(**changes)))
    assert reply.outcome is WriteOutcome.ACCEPTED, reply
    await venue.pass_bar()
    return await position_of(venue)


async def test_01_an_accepted_order_becomes_a_protected_position_under_its_name(venue: VenueUnderTest) -> None:
    reply = await venue.broker.submit(Submission(NAME, SYMBOL, an_order()))
    assert reply.outcome is WriteOutcome.ACCEPTED
    await venue.pass_bar()
    sighting = await venue.broker.find(NAME, START_NS)
    (order,) = sighting.orders
    assert order.venue_order_id == reply.venue_order_id
    assert (order.status, order.units, order.filled_units) == (BrokerOrderStatus.FILLED, 3.0, 3.0)
    assert order.average_price == pytest.approx(100.0, abs=0.2)
    position = await position_of(venue)
    assert sighting.positions == (position,)
    assert (position.units, position.stop_loss, position.take_profit) == (3.0, 90.0, 115.0)
    assert position.strategy_id == NAME
    assert position.position_id == order.position_id
    assert position.entry_price == order.average_price
    (fill,) = await venue.broker.fills(START_NS)
    assert (fill.side, fill.units, fill.price, fill.strategy_id) == (1, 3.0, order.average_price, NAME)
    assert fill.position_id == position.position_id


async def test_01_a_short_position_is_negative(venue: VenueUnderTest) -> None:
    position = await opened(venue, units=-3.0, stop=110.0, target=85.0)
    assert (position.units, position.stop_loss, position.take_profit) == (-3.0, 110.0, 85.0)
    assert venue.true_units() == -3.0


async def test_02_a_refused_order_leaves_nothing(venue: VenueUnderTest) -> None:
    venue.trouble(Trouble.REFUSED)
    reply = await venue.broker.submit(Submission(NAME, SYMBOL, an_order()))
    assert reply.outcome is WriteOutcome.REFUSED
    assert reply.reason
    await venue.pass_bar()
    assert (await venue.broker.find(NAME, START_NS)).is_empty
    assert venue.true_orders(NAME) == 0
    assert (await venue.broker.submit(Submission(NAME, SYMBOL, an_order()))).outcome is WriteOutcome.ACCEPTED


async def test_02_a_stop_on_the_wrong_side_is_refused(venue: VenueUnderTest) -> None:
    reply = await venue.broker.submit(Submission(NAME, SYMBOL, an_order(stop=101.0)))
    assert reply.outcome is WriteOutcome.REFUSED
    assert venue.true_units() == 0.0


async def test_03_an_order_rejected_late_is_found_as_rejected(venue: VenueUnderTest) -> None:
    venue.trouble(Trouble.REJECTED_LATE)
    assert (await venue.broker.submit(Submission(NAME, SYMBOL, an_order()))).outcome is WriteOutcome.ACCEPTED
    await venue.pass_bar()
    (order,) = (await venue.broker.find(NAME, START_NS)).orders
    assert (order.status, order.filled_units) == (BrokerOrderStatus.REJECTED, 0.0)
    assert (await venue.broker.state()).positions == ()
    assert await venue.broker.fills(START_NS) == ()


async def test_04_a_partly_filled_order_says_how_much_and_its_position_is_protected(venue: VenueUnderTest) -> None:
    venue.trouble(Trouble.PARTLY_FILLED)
    assert (await venue.broker.submit(Submission(NAME, SYMBOL, an_order()))).outcome is WriteOutcome.ACCEPTED
    await venue.pass_bar()
    (order,) = (await venue.broker.find(NAME, START_NS)).orders
    assert (order.status, order.units, order.filled_units) == (BrokerOrderStatus.CANCELLED, 3.0, 1.5)
    position = await position_of(venue)
    assert (position.units, position.stop_loss) == (1.5, 90.0)
    (fill,) = await venue.broker.fills(START_NS)
    assert fill.units == 1.5


async def test_05_a_lost_reply_is_unknown_and_the_order_is_found_once(venue: VenueUnderTest) -> None:
    venue.trouble(Trouble.REPLY_LOST)
    reply = await venue.broker.submit(Submission(NAME, SYMBOL, an_order()))
    assert reply.outcome is WriteOutcome.UNKNOWN
    await venue.pass_bar()
    (order,) = (await venue.broker.find(NAME, START_NS)).orders
    assert order.filled_units == 3.0
    assert venue.true_orders(NAME) == 1
    assert venue.true_units() == 3.0


async def test_06_a_lost_request_is_unknown_and_nothing_is_found(venue: VenueUnderTest) -> None:
    venue.trouble(Trouble.REQUEST_LOST)
    reply = await venue.broker.submit(Submission(NAME, SYMBOL, an_order()))
    assert reply.outcome is WriteOutcome.UNKNOWN
    await venue.pass_bar()
    assert (await venue.broker.find(NAME, START_NS)).is_empty
    assert venue.true_orders(NAME) == 0


async def test_07_two_orders_of_one_name_are_both_found(venue: VenueUnderTest) -> None:
    await venue.duplicate(Submission(NAME, SYMBOL, an_order()))
    await venue.pass_bar()
    orders = (await venue.broker.find(NAME, START_NS)).orders
    assert [order.filled_units for order in orders] == [3.0, 3.0]
    assert venue.true_units() == 6.0
    assert sum(each.units for each in (await venue.broker.state()).positions) == 6.0


async def test_08_what_is_hidden_at_first_is_found_later(venue: VenueUnderTest) -> None:
    venue.trouble(Trouble.HIDDEN)
    assert (await venue.broker.submit(Submission(NAME, SYMBOL, an_order()))).outcome is WriteOutcome.ACCEPTED
    assert (await venue.broker.find(NAME, START_NS)).is_empty
    assert (await venue.broker.state()).positions == ()
    await venue.pass_bar()
    await venue.sleep(31.0)
    sighting = await venue.broker.find(NAME, START_NS)
    assert [order.filled_units for order in sighting.orders] == [3.0]
    assert [position.units for position in sighting.positions] == [3.0]


async def test_09_the_stop_fires_at_the_venue(opening: Opening) -> None:
    async with opening([(100.0, 100.0, 100.0, 100.0), (100.0, 100.0, 85.0, 86.0)]) as venue:
        position = await opened(venue)
        await venue.pass_bar()
        state = await venue.broker.state()
        assert state.positions == ()
        assert state.orders == ()  # the target went with it
        entry, leaving = await venue.broker.fills(START_NS)
        assert (leaving.side, leaving.units, leaving.position_id) == (-1, 3.0, position.position_id)
        assert leaving.price == pytest.approx(90.0, abs=0.2)
        assert leaving.strategy_id == NAME
        assert leaving.fill_id != entry.fill_id


async def test_10_the_target_fills_at_the_venue(opening: Opening) -> None:
    async with opening([(100.0, 100.0, 100.0, 100.0), (100.0, 118.0, 100.0, 116.0)]) as venue:
        await opened(venue)
        await venue.pass_bar()
        assert (await venue.broker.state()).positions == ()
        _, leaving = await venue.broker.fills(START_NS)
        assert (leaving.side, leaving.units) == (-1, 3.0)
        assert leaving.price >= 115.0


async def test_11_a_partial_close_leaves_the_rest_protected(venue: VenueUnderTest) -> None:
    position = await opened(venue)
    reply = await venue.broker.close(Close(SYMBOL, position.position_id, 1.0, 2, FillReason.EXIT.value, START_NS))
    assert reply.outcome is WriteOutcome.ACCEPTED
    await venue.pass_bar()
    rest = await position_of(venue)
    assert rest.units == pytest.approx(2.0)
    assert (rest.position_id, rest.stop_loss, rest.take_profit) == (position.position_id, 90.0, 115.0)
    legs = [order for order in (await venue.broker.state()).orders if order.position_id == position.position_id]
    assert [leg.units for leg in legs] == pytest.approx([-2.0, -2.0])


async def test_12_a_whole_close_ends_the_position_and_its_bracket(venue: VenueUnderTest) -> None:
    position = await opened(venue)
    close = Close(SYMBOL, position.position_id, 0.0, 2, FillReason.EXIT.value, START_NS)
    assert (await venue.broker.close(close)).outcome is WriteOutcome.ACCEPTED
    await venue.pass_bar()
    state = await venue.broker.state()
    assert (state.positions, state.orders) == ((), ())
    assert (await venue.broker.close(close)).outcome is WriteOutcome.REFUSED
    assert venue.true_units() == 0.0


async def test_12_more_than_there_is_cannot_be_closed(venue: VenueUnderTest) -> None:
    position = await opened(venue)
    reply = await venue.broker.close(Close(SYMBOL, position.position_id, 4.0, 2, FillReason.EXIT.value, START_NS))
    assert reply.outcome is WriteOutcome.REFUSED
    assert venue.true_units() == 3.0


async def test_13_stop_and_target_move_and_go(venue: VenueUnderTest) -> None:
    position = await opened(venue)

    def change(stop: float, target: float) -> BracketChange:
        return BracketChange(SYMBOL, position.position_id, stop, target, START_NS, True)

    assert (await venue.broker.amend(change(95.5, 120.0))).outcome is WriteOutcome.ACCEPTED
    moved = await position_of(venue)
    assert (moved.stop_loss, moved.take_profit) == (95.5, 120.0)
    assert (await venue.broker.amend(change(95.5, 0.0))).outcome is WriteOutcome.ACCEPTED
    moved = await position_of(venue)
    assert (moved.stop_loss, moved.take_profit) == (95.5, 0.0)
    assert (await venue.broker.amend(change(101.0, 0.0))).outcome is WriteOutcome.REFUSED
    assert (await position_of(venue)).stop_loss == 95.5
    gone = BracketChange(SYMBOL, "7277816997846850000", 95.0, 0.0, START_NS, True)
    assert (await venue.broker.amend(gone)).outcome is WriteOutcome.REFUSED


async def test_14_a_restart_finds_everything_as_it_was(venue: VenueUnderTest) -> None:
    before = await opened(venue)
    fills = await venue.broker.fills(START_NS)
    await venue.reconnect()
    after = await position_of(venue)
    assert after == before
    assert await venue.broker.fills(START_NS) == fills
    assert len((await venue.broker.find(NAME, START_NS)).orders) == 1
    await venue.pass_bar()
    assert (await position_of(venue)).units == 3.0


async def test_14_an_order_on_its_way_survives_a_restart(venue: VenueUnderTest) -> None:
    assert (await venue.broker.submit(Submission(NAME, SYMBOL, an_order()))).outcome is WriteOutcome.ACCEPTED
    await venue.reconnect()
    await venue.pass_bar()
    assert (await position_of(venue)).units == 3.0
    assert venue.true_orders(NAME) == 1


async def test_15_foreign_positions_are_listed_beside_ours(venue: VenueUnderTest) -> None:
    await opened(venue)
    await venue.foreign_position()
    positions = (await venue.broker.state()).positions
    assert {each.symbol: each.units for each in positions} == {SYMBOL: 3.0, OTHER: 3.0}
    (foreign,) = [each for each in positions if each.symbol == OTHER]
    assert foreign.strategy_id != NAME


async def test_16_a_bracket_dropped_in_silence_is_seen(venue: VenueUnderTest) -> None:
    venue.trouble(Trouble.BRACKET_DROPPED)
    position = await opened(venue)
    assert (position.stop_loss, position.take_profit) == (0.0, 0.0)
    change = BracketChange(SYMBOL, position.position_id, 90.0, 115.0, START_NS, False)
    assert (await venue.broker.amend(change)).outcome is WriteOutcome.ACCEPTED
    again = await position_of(venue)
    assert (again.stop_loss, again.take_profit) == (90.0, 115.0)


async def test_17_an_expired_token_carries_nothing_out_and_the_next_write_passes(venue: VenueUnderTest) -> None:
    venue.trouble(Trouble.TOKEN_EXPIRED)
    reply = await venue.broker.submit(Submission(NAME, SYMBOL, an_order()))
    assert reply.outcome is WriteOutcome.NOT_SENT
    assert venue.true_orders(NAME) == 0
    assert (await venue.broker.submit(Submission(NAME, SYMBOL, an_order()))).outcome is WriteOutcome.ACCEPTED
    await venue.pass_bar()
    assert venue.true_units() == 3.0


async def test_18_too_fast_is_never_taken_for_carried_out(venue: VenueUnderTest) -> None:
    venue.trouble(Trouble.TOO_FAST)
    reply = await venue.broker.submit(Submission(NAME, SYMBOL, an_order()))
    assert reply.outcome in (WriteOutcome.NOT_SENT, WriteOutcome.UNKNOWN)
    assert venue.true_orders(NAME) == 0
    await venue.sleep(10.0)
    assert (await venue.broker.find(NAME, START_NS)).is_empty
    assert (await venue.broker.submit(Submission(NAME, SYMBOL, an_order()))).outcome is WriteOutcome.ACCEPTED


async def test_19_during_maintenance_nothing_is_told_and_nothing_done(venue: VenueUnderTest) -> None:
    await opened(venue)
    await venue.away()
    for read in (
        lambda: venue.broker.state(),
        lambda: venue.broker.find(NAME, START_NS),
        lambda: venue.broker.fills(START_NS),
        lambda: venue.broker.account(),
        lambda: venue.broker.quote(SYMBOL),
        lambda: venue.broker.terms(SYMBOL),
        lambda: venue.broker.history(START_NS, START_NS + 1),
    ):
        with pytest.raises(RetryableVenueError):
            await read()
    reply = await venue.broker.submit(Submission("agv2-testcase-000002", SYMBOL, an_order()))
    assert reply.outcome in (WriteOutcome.NOT_SENT, WriteOutcome.UNKNOWN)
    await venue.back()
    assert venue.true_orders("agv2-testcase-000002") == 0
    assert (await position_of(venue)).units == 3.0


async def test_20_a_request_that_is_wrong_in_itself_is_not_sent(venue: VenueUnderTest) -> None:
    with pytest.raises(InvariantError, match=r"steps|lots"):
        await venue.broker.submit(Submission(NAME, SYMBOL, an_order(units=3.05)))
    for name in ("", "x" * 32, "ümlaut", "line\nbreak"):
        with pytest.raises(InvariantError, match="strategy id"):
            Submission(name, SYMBOL, an_order())
    with pytest.raises(InvariantError, match="for nothing"):
        Submission(NAME, SYMBOL, an_order(units=0.0))
    assert venue.true_orders(NAME) == 0


async def test_21_quotes_money_and_terms_are_plausible(venue: VenueUnderTest) -> None:
    position = await opened(venue)
    quote = await venue.broker.quote(SYMBOL)
    assert 99.0 < quote.bid < quote.ask < 101.0
    assert quote.to_take(1) == quote.ask
    terms = await venue.broker.terms(SYMBOL)
    assert terms.is_open
    market = terms.market
    assert (market.contract_size, market.lot_step, market.tick_size) == (10.0, 0.01, 0.01)
    money = await venue.broker.account()
    assert position.open_pnl is not None
    assert money.equity == pytest.approx(money.balance + position.open_pnl, abs=1e-6)
    assert money.free_margin < money.equity


async def test_22_final_orders_are_in_the_history_oldest_first(venue: VenueUnderTest) -> None:
    position = await opened(venue)
    await venue.broker.close(Close(SYMBOL, position.position_id, 0.0, 2, FillReason.EXIT.value, START_NS))
    await venue.pass_bar()
    found = await venue.broker.history(START_NS, START_NS + 86_400_000_000_000)
    filled = [order for order in found if order.filled_units]
    assert [order.filled_units for order in filled] == [3.0, -3.0]
    assert filled[0].strategy_id == NAME
    assert {order.position_id for order in filled} == {position.position_id}


async def test_23_a_working_order_can_be_withdrawn(opening: Opening) -> None:
    from agv2.tradelocker.fake.rules import VenueRules

    async with opening(quiet(3), rules=VenueRules(fill_delay_ns=30_000_000_000)) as venue:
        reply = await venue.broker.submit(Submission(NAME, SYMBOL, an_order()))
        assert reply.venue_order_id is not None
        (order,) = (await venue.broker.find(NAME, START_NS)).orders
        assert order.is_working
        assert (await venue.broker.cancel(SYMBOL, reply.venue_order_id)).outcome is WriteOutcome.ACCEPTED
        await venue.pass_bar()
        (order,) = (await venue.broker.find(NAME, START_NS)).orders
        assert (order.status, order.filled_units) == (BrokerOrderStatus.CANCELLED, 0.0)
        assert venue.true_units() == 0.0
        assert (await venue.broker.cancel(SYMBOL, reply.venue_order_id)).outcome is WriteOutcome.REFUSED
