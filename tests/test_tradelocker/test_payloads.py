"""What we send: exact to the last digit, and never something the venue has to guess."""

import dataclasses
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agv2.core.errors import InvariantError
from agv2.core.orders import Side
from agv2.tradelocker.payloads import (
    UNCHANGED,
    OrderChange,
    OrderKind,
    OrderRequest,
    bracket_payload,
    change_payload,
    close_payload,
    order_payload,
)
from tests.test_tradelocker.scripted_venue import EURUSD


def a_request(**changes: Any) -> OrderRequest:
    return dataclasses.replace(OrderRequest(EURUSD, Side.LONG, Decimal("0.10"), "agv2-1"), **changes)


def test_a_market_order_with_its_bracket() -> None:
    body = order_payload(a_request(stop_loss=Decimal("1.0790"), take_profit=Decimal("1.0950")))
    assert body == {
        "tradableInstrumentId": "278",
        "routeId": "452",
        "qty": "0.10",
        "side": "buy",
        "type": "market",
        "validity": "IOC",
        "price": 0,
        "strategyId": "agv2-1",
        "stopLoss": 1.079,
        "stopLossType": "absolute",
        "takeProfit": 1.095,
        "takeProfitType": "absolute",
    }


def test_limit_and_stop_orders_carry_their_price_where_it_belongs() -> None:
    limit = order_payload(a_request(kind=OrderKind.LIMIT, price=Decimal("1.05"), side=Side.SHORT))
    stop = order_payload(a_request(kind=OrderKind.STOP, price=Decimal("1.05")))
    assert (limit["price"], limit["validity"], limit["side"]) == (1.05, "GTC", "sell")
    assert "stopPrice" not in limit
    assert (stop["price"], stop["stopPrice"], stop["validity"]) == (0, 1.05, "GTC")


@given(st.integers(1, 10**14), st.integers(0, 8))
def test_prices_and_quantities_reach_the_wire_with_their_very_digits(digits: int, places: int) -> None:
    exact = Decimal(digits).scaleb(-places)
    if not exact < 10**12:
        return
    body = order_payload(a_request(lots=exact, stop_loss=exact))
    read_back = json.loads(json.dumps(body), parse_float=Decimal, parse_int=Decimal)
    assert read_back["stopLoss"] == exact
    assert Decimal(read_back["qty"]) == exact
    assert "E" not in read_back["qty"]


def test_three_tenths_is_three_tenths() -> None:
    assert order_payload(a_request(lots=Decimal("0.1") * 3))["qty"] == "0.3"
    assert order_payload(a_request(lots=Decimal("1E+1")))["qty"] == "10"


@pytest.mark.parametrize(
    "wrong",
    [
        {"lots": Decimal(0)},
        {"lots": Decimal(-1)},
        {"lots": Decimal("NaN")},
        {"lots": Decimal("Infinity")},
        {"lots": 0.1},
        {"side": Side.FLAT},
        {"strategy_id": ""},
        {"strategy_id": "x" * 32},
        {"strategy_id": "ümlaut"},
        {"strategy_id": "two\nlines"},
        {"price": Decimal(1)},
        {"kind": OrderKind.LIMIT},
        {"kind": OrderKind.STOP},
        {"kind": OrderKind.LIMIT, "price": Decimal(0)},
        {"stop_loss": Decimal("1.00000000000000000001")},
        {"stop_loss": 1.05},
        {"take_profit": Decimal(-1)},
        {"instrument": dataclasses.replace(EURUSD, trade_routes=())},
    ],
)
def test_an_order_that_could_be_misread_is_never_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvariantError):
        order_payload(a_request(**wrong))


def test_a_strategy_id_may_have_31_characters() -> None:
    assert order_payload(a_request(strategy_id="x" * 31))["strategyId"] == "x" * 31


def test_a_change_holds_only_what_changes_and_null_removes() -> None:
    assert bracket_payload(Decimal("1.08"), UNCHANGED) == {"stopLoss": 1.08}
    assert bracket_payload(UNCHANGED, None) == {"takeProfit": None}
    assert change_payload(OrderChange(OrderKind.STOP, price=Decimal("1.1"))) == {"stopPrice": 1.1}
    assert change_payload(OrderChange(OrderKind.LIMIT, lots=Decimal("0.2"), price=Decimal("1.1"))) == {
        "qty": "0.2",
        "price": 1.1,
    }
    assert change_payload(OrderChange(OrderKind.LIMIT, stop_loss=None, take_profit=Decimal(2))) == {
        "stopLoss": None,
        "takeProfit": 2.0,
        "takeProfitType": "absolute",
    }
    with pytest.raises(InvariantError, match="changes nothing"):
        bracket_payload(UNCHANGED, UNCHANGED)
    with pytest.raises(InvariantError, match="changes nothing"):
        change_payload(OrderChange(OrderKind.STOP))


def test_closing_all_is_said_by_none_and_never_by_zero() -> None:
    assert close_payload(None) == {"qty": "0"}
    assert close_payload(Decimal("0.05")) == {"qty": "0.05"}
    with pytest.raises(InvariantError, match="above 0"):
        close_payload(Decimal(0))
