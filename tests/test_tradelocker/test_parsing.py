"""The venue's answers, decoded by name; whatever the JSON, a value or a VenueError."""

import contextlib
import copy
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.core.errors import FinalVenueError, RefusedError, VenueError
from agv2.core.orders import Side
from agv2.tradelocker.envelope import unwrap
from agv2.tradelocker.json_values import parse_json
from agv2.tradelocker.messages import VenueConfig, VenueTable
from agv2.tradelocker.parsing import (
    parse_account_rules,
    parse_accounts,
    parse_config,
    parse_daily_bar,
    parse_depth,
    parse_details,
    parse_instruments,
    parse_price_history,
    parse_quote,
    parse_session_status,
)
from agv2.tradelocker.rate_limiter import Call, RateLimit
from agv2.tradelocker.row_parsing import parse_account_state, parse_executions, parse_orders, parse_positions
from tests.test_tradelocker.scripted_venue import CONFIG, columns, order_row

MS = 1_000_000


def wire(value: Any) -> Any:
    """`value` as it arrives."""
    return parse_json(json.dumps(value).encode())


def a_config(**tables: Any) -> VenueConfig:
    return parse_config(wire(CONFIG | tables))


POSITION = ["7277816997846856994", "278", "452", "sell", "0.10", "1.08512", "7277816997907785470", None]
POSITION_REST = ["1772445600456", "-0.80", "agv2-1"]
INSTRUMENT = {
    "tradableInstrumentId": 278,
    "id": 315,
    "name": "EURUSD",
    "type": "FOREX",
    "barSource": "BID",
    "routes": [{"id": 452, "type": "TRADE"}, {"id": "11", "type": "INFO"}, {"id": 12, "type": "INFO"}],
}
DETAILS = {
    "lotSize": 100000,
    "minLot": 0.01,
    "lotStep": 0.01,
    "maxLot": None,
    "tickSize": [{"leftRangeLimit": 10, "tickSize": 0.01}, {"leftRangeLimit": 0, "tickSize": 0.001}],
    "tickCost": [{"leftRangeLimit": None, "tickCost": 0}],
    "baseCurrency": "EUR",
    "quotingCurrency": "USD",
    "symbolStatus": "FULLY_OPEN",
    "tradeSessionId": 7,
    "tradeSessionStatusId": 0,
}


def test_settings_of_the_venue() -> None:
    config = a_config(
        rateLimits=[
            {"rateLimitType": "QUOTES", "measure": "SECONDS", "intervalNum": 1, "limit": 10},
            {"rateLimitType": "QUOTES", "measure": "MINUTES", "intervalNum": 2, "limit": 100},
            {"rateLimitType": "TRADES", "measure": "SECONDS", "intervalNum": 1, "limit": 5},
            {"rateLimitType": "DEPTH", "measure": "FORTNIGHTS", "intervalNum": 1, "limit": 5},
            {"rateLimitType": "DEPTH", "measure": "SECONDS", "intervalNum": 1, "limit": 0},
        ]
    )
    assert config.rate_limits == (RateLimit(Call.QUOTES, 10, 1), RateLimit(Call.QUOTES, 100, 120))
    assert (config.max_bars, config.max_orders) == (5000, 10_000)
    assert config.columns[VenueTable.ACCOUNT_STATE][1] == "projectedBalance"


def test_an_account_has_an_id_and_a_number() -> None:
    (account,) = parse_accounts(
        wire({"accounts": [{"id": "812345", "name": "X", "accNum": "2", "accountBalance": "0.10", "status": "CLOSED"}]})
    )
    assert (account.account_id, account.acc_num, account.balance) == ("812345", 2, Decimal("0.10"))
    assert not account.is_active


@pytest.mark.parametrize("shape", [lambda entry: entry, lambda entry: [entry], lambda entry: [{"id": 1}, entry]])
def test_rules_of_the_account_asked_for(shape: Callable[[Any], Any]) -> None:
    entry = {"id": "5", "tradingRules": {"a": True}, "riskRules": {"dailyLoss": 2.5}}
    rules = parse_account_rules(wire(shape(entry)), "5")
    assert rules.trading == {"a": True}
    assert rules.risk == {"dailyLoss": Decimal("2.5")}


def test_an_instrument_has_routes_for_data_and_for_orders() -> None:
    (found,) = parse_instruments(wire({"instruments": [INSTRUMENT]}), "812345")
    assert (found.instrument_id, found.account_id) == ("278", "812345")
    assert (found.info_routes, found.trade_routes) == (("11", "12"), ("452",))


def test_tick_sizes_go_by_the_band_of_the_price() -> None:
    details = parse_details(wire(DETAILS), "278")
    assert details.tick_size_at(Decimal("9.99")) == Decimal("0.001")
    assert details.tick_size_at(Decimal(10)) == Decimal("0.01")
    assert (details.max_lot, details.leverage, details.session_status_id) == (None, None, None)
    assert details.is_fully_open


def test_a_quote_is_exact() -> None:
    quote = parse_quote(parse_json(b'{"ap": 1.085120, "bp": 1.08504, "as": null, "bs": 1.0}'), 5)
    assert (quote.bid, quote.ask, quote.ask_lots, quote.received_ns) == (
        Decimal("1.08504"),
        Decimal("1.08512"),
        None,
        5,
    )


@pytest.mark.parametrize("quote", [{"ap": None, "bp": 1}, {"ap": 0, "bp": 0}, {"bp": 1}, [], None])
def test_a_quote_without_prices_is_none(quote: Any) -> None:
    with pytest.raises(FinalVenueError, match="quote"):
        parse_quote(wire(quote), 0)


def test_bars_are_sorted_and_an_unknown_volume_is_nan() -> None:
    bars = [
        {"t": 1_700_000_060_000, "o": 2.0, "h": 3, "l": 1.5, "c": 2.5, "v": None},
        {"t": 1_700_000_000_000, "o": 1.1, "h": 2.2, "l": 1.0, "c": 2.0, "v": 7},
    ]
    history = parse_price_history(wire({"s": "ok", "d": {"barDetails": bars}}))
    assert history.ts_ns.tolist() == [1_700_000_000_000 * MS, 1_700_000_060_000 * MS]
    assert history.open.tolist() == [1.1, 2.0]
    assert history.volume[0] == 7.0
    assert np.isnan(history.volume[1])
    assert history.close.dtype == np.float64


@pytest.mark.parametrize(("answer", "earlier"), [({"nb": 5}, 5 * MS), ({}, None), ({"nb": None, "d": None}, None)])
def test_no_data_may_name_the_bar_before(answer: dict[str, Any], earlier: int | None) -> None:
    history = parse_price_history(wire({"s": "no_data"} | answer))
    assert (len(history), history.earlier_ns) == (0, earlier)


@pytest.mark.parametrize(
    "bar",
    [{"t": 1, "o": None, "h": 1, "l": 1, "c": 1}, {"t": None, "o": 1, "h": 1, "l": 1, "c": 1}, {"t": "x"}, []],
)
def test_a_bar_without_a_price_or_a_time_is_an_error(bar: Any) -> None:
    with pytest.raises(FinalVenueError, match="bar"):
        parse_price_history(wire({"s": "ok", "d": {"barDetails": [bar]}}))


def test_orders_are_decoded_by_name() -> None:
    (order,) = parse_orders(wire({"orders": [order_row(isOpen="false", takeProfit=None)]}), a_config()).orders
    assert order.order_id == "7277816997907785466"
    assert (order.lots, order.filled_lots, order.side) == (Decimal("0.10"), Decimal("0.10"), Side.LONG)
    assert order.is_open is False
    assert (order.stop_loss, order.take_profit) == (Decimal("1.0790"), None)
    assert order.created_ns == 1_772_445_600_123 * MS
    assert order.strategy_id == "agv2-20260302-000123"


def test_columns_in_another_order_and_unknown_ones_change_nothing() -> None:
    names = [each["id"] for each in CONFIG["ordersConfig"]["columns"]]
    plain = parse_orders(wire({"orders": [order_row()]}), a_config())
    shuffled = [*reversed(names), "brandNew"]
    row = [dict(zip(names, order_row(), strict=True)).get(name, {"any": "thing"}) for name in shuffled]
    moved = parse_orders(wire({"orders": [row]}), a_config(ordersConfig=columns(" ".join(shuffled))))
    assert moved == plain


def test_a_missing_column_is_named() -> None:
    names = " ".join(each["id"] for each in CONFIG["ordersConfig"]["columns"] if each["id"] != "positionId")
    with pytest.raises(FinalVenueError, match="ordersConfig has no column positionId; found id, tradable"):
        parse_orders(wire({"orders": []}), a_config(ordersConfig=columns(names)))


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(FinalVenueError, match="a row has 23 cells, /trade/config names 22"):
        parse_orders(wire({"orders": [[*order_row(), "x"]]}), a_config())


def test_final_orders_and_whether_there_are_more() -> None:
    page = parse_orders(wire({"ordersHistory": [order_row()], "hasMore": "true"}), a_config(), history=True)
    assert (len(page.orders), page.has_more) == (1, True)
    assert not parse_orders(wire({"ordersHistory": []}), a_config(), history=True).has_more


def test_a_position_without_a_target_has_none() -> None:
    (position,) = parse_positions(wire({"positions": [POSITION + POSITION_REST]}), a_config())
    assert (position.position_id, position.side) == ("7277816997846856994", Side.SHORT)
    assert (position.stop_loss_id, position.take_profit_id) == ("7277816997907785470", None)
    assert position.unrealized_pnl == Decimal("-0.80")


def test_executions_and_state() -> None:
    row = ["9", "1.08512", "buy", "1772445600456", "0.10", "7277816997907785466", None, "278"]
    (fill,) = parse_executions(wire({"executions": [row]}), a_config())
    assert (fill.price, fill.lots, fill.position_id) == (Decimal("1.08512"), Decimal("0.10"), None)
    state = parse_account_state(parse_json(b'{"accountDetailsData": [50000.10, 49990.2, 1, null]}'), a_config())
    assert (state.balance, state.equity) == (Decimal("50000.10"), Decimal("49990.2"))
    assert state.values["openNetPnL"] is None


def test_depth_day_and_session() -> None:
    assert parse_depth(wire({"asks": [[1.1, 2]], "bids": []})).asks == ((Decimal("1.1"), Decimal(2)),)
    assert parse_daily_bar(wire({"o": 1, "h": 2, "l": 0.5, "c": 1.5})).volume is None
    assert parse_session_status(wire({"allowedOperations": [1, 0], "allowedOrderTypes": []})).allowed_operations == (
        True,
        False,
    )


def test_a_refusal_is_told_and_a_missing_payload_is_an_error() -> None:
    with pytest.raises(RefusedError, match="market closed"):
        unwrap(wire({"s": "error", "errmsg": "market\n closed"}), "orders")
    bad: Any
    for bad in ({"s": "ok"}, {"s": "ok", "d": None}, {"s": "odd", "d": {}}, [], None, {}):
        with pytest.raises(FinalVenueError, match="orders"):
            unwrap(wire(bad), "orders")


# ------------------------------------------------------------------------------------------------ any JSON

PARSERS: dict[str, tuple[Callable[[Any], object], Any]] = {
    "config": (parse_config, CONFIG),
    "accounts": (parse_accounts, {"accounts": [{"id": "8", "accNum": "1", "accountBalance": "1"}]}),
    "rules": (lambda data: parse_account_rules(data, "5"), {"id": "5", "tradingRules": {}, "riskRules": {}}),
    "instruments": (lambda data: parse_instruments(data, "5"), {"instruments": [INSTRUMENT]}),
    "details": (lambda data: parse_details(data, "5"), DETAILS),
    "quote": (lambda data: parse_quote(data, 0), {"ap": 1.1, "bp": 1.0, "as": 1, "bs": 1}),
    "depth": (parse_depth, {"asks": [[1.1, 2]], "bids": [[1.0, 2]]}),
    "daily bar": (parse_daily_bar, {"o": 1, "h": 2, "l": 0.5, "c": 1.5, "v": 1}),
    "history": (
        parse_price_history,
        {"s": "ok", "d": {"barDetails": [{"t": 1, "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}]}},
    ),
    "orders": (lambda data: parse_orders(data, a_config()), {"orders": [order_row()]}),
    "orders history": (
        lambda data: parse_orders(data, a_config(), history=True),
        {"ordersHistory": [order_row()], "hasMore": False},
    ),
    "positions": (lambda data: parse_positions(data, a_config()), {"positions": [POSITION + POSITION_REST]}),
    "executions": (
        lambda data: parse_executions(data, a_config()),
        {"executions": [["9", "1.0", "buy", "1", "0.1", "7", None, "278"]]},
    ),
    "state": (lambda data: parse_account_state(data, a_config()), {"accountDetailsData": [1, 2, 3, None]}),
    "session status": (parse_session_status, {"allowedOperations": [1], "allowedOrderTypes": [0]}),
    "envelope": (lambda data: unwrap(data, "x"), {"s": "ok", "d": {}}),
}
LEAF = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["0", "true", "buy", "-1", "1e5", "NaN", "9" * 30])
)
ANY_JSON = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside `value`, the whole included."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(path for key, each in inner for path in paths(each, (*here, key)))]


def planted(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """`value` with `other` at one of its places."""
    if not path:
        return other
    changed = copy.deepcopy(value)
    inside = changed
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = other
    return changed


@pytest.mark.parametrize("name", PARSERS)
def test_the_sample_of_each_parser_is_read(name: str) -> None:
    parse, sample = PARSERS[name]
    assert parse(wire(sample)) is not None


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_json_is_a_value_or_a_venue_error(name: str, data: st.DataObject) -> None:
    parse, sample = PARSERS[name]
    spoiled = sample
    for _ in range(data.draw(st.integers(1, 3), label="wounds")):
        spoiled = planted(spoiled, data.draw(st.sampled_from(paths(spoiled))), data.draw(ANY_JSON))
    with contextlib.suppress(VenueError):
        parse(wire(spoiled))
