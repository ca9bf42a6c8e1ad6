"""What others hold at the venue cannot keep us from reading, and so from protecting, what is ours."""

from decimal import Decimal
from typing import Any, cast

import pytest

from agv2.core.errors import FinalVenueError, RetryableVenueError
from agv2.core.orders import Side
from agv2.execution.tradelocker_broker import TradeLockerBroker
from agv2.tradelocker.client import TradeLockerClient
from agv2.tradelocker.messages import InstrumentDetails, VenueAccount, VenueInstrument, VenuePosition
from agv2.utils.clock import SystemClock
from tests.execution_venues import MARKET

OURS, OTHERS = "278", "315"


def instrument(name: str, number: str) -> VenueInstrument:
    return VenueInstrument("9", number, name, None, None, "BID", ("1",), ("2",))


def position(number: str, leg: str | None) -> VenuePosition:
    return VenuePosition(
        f"p{number}", number, "2", Side.LONG, Decimal(2), Decimal(100), leg, None, 1, Decimal(0), None
    )  # fmt: skip


class Client:
    """A venue that lists no order and knows the details of one instrument."""

    def __init__(self, *positions: VenuePosition, failure: Exception | None = None) -> None:
        self.held, self.failure = list(positions), failure

    async def positions(self, account_id: str) -> list[VenuePosition]:
        return self.held

    async def orders(self, account_id: str) -> list[Any]:
        return []

    async def instrument_details(self, asked: VenueInstrument) -> InstrumentDetails:
        if asked.instrument_id == OTHERS and self.failure is not None:
            raise self.failure
        return InstrumentDetails(
            asked.instrument_id, Decimal(10), None, None, None, (), (), None, None, None, "BID", None, None, None, None
        )


def broker(client: Client) -> TradeLockerBroker:
    gold, oil = instrument("XAUUSD", OURS), instrument("WTI", OTHERS)
    return TradeLockerBroker(
        cast(TradeLockerClient, client), VenueAccount("9", 1, None, "USD", "ACTIVE", None),
        {"XAUUSD": (gold, MARKET)}, {OURS: gold, OTHERS: oil}, SystemClock(), "venue",
    )  # fmt: skip


async def test_a_foreign_position_whose_stop_is_not_listed_does_not_hide_ours() -> None:
    state = await broker(Client(position(OURS, None), position(OTHERS, "s1"))).state()
    assert [(each.symbol, each.stop_loss) for each in state.positions] == [("XAUUSD", 0.0), ("WTI", 0.0)]


async def test_our_own_position_whose_stop_is_not_listed_is_no_picture() -> None:
    with pytest.raises(RetryableVenueError, match=f"position p{OURS} names order s1"):
        await broker(Client(position(OURS, "s1"))).state()


@pytest.mark.parametrize("failure", [RetryableVenueError("429"), FinalVenueError("403")], ids=str)
async def test_details_of_a_foreign_instrument_that_fail_do_not_hide_ours(failure: Exception) -> None:
    state = await broker(Client(position(OURS, None), position(OTHERS, None), failure=failure)).state()
    assert [each.symbol for each in state.positions] == ["XAUUSD", "WTI"]
    assert state.positions[1].units == 2.0
