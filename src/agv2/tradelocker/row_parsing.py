"""Tables whose rows come without keys: cells get the names that `/trade/config` lists, never a place of their own."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from agv2.core.errors import FinalVenueError
from agv2.core.orders import Side
from agv2.tradelocker.json_values import Record, list_of, listed, mapping_of
from agv2.tradelocker.messages import (
    AccountState,
    Execution,
    VenueConfig,
    VenueOrder,
    VenuePosition,
    VenueTable,
)

__all__ = ["OrderPage", "parse_account_state", "parse_executions", "parse_orders", "parse_positions"]

_SIDES = {"buy": Side.LONG, "sell": Side.SHORT}
_ORDER_COLUMNS = [
    *("id", "tradableInstrumentId", "qty", "side", "type", "status", "filledQty", "avgPrice", "price", "stopPrice"),
    *("createdDate", "isOpen", "positionId", "stopLoss", "takeProfit", "strategyId"),
]
_POSITION_COLUMNS = [
    *("id", "tradableInstrumentId", "side", "qty", "avgPrice", "stopLossId", "takeProfitId", "strategyId"),
]
_EXECUTION_COLUMNS = ["id", "price", "side", "createdDate", "qty", "orderId", "positionId", "tradableInstrumentId"]
_STATE_COLUMNS = ["balance", "projectedBalance", "availableFunds"]


class OrderPage(NamedTuple):
    """Orders of one answer."""

    orders: list[VenueOrder]
    has_more: bool
    """The venue cut the answer short."""


def parse_orders(data: Any, config: VenueConfig, *, history: bool = False) -> OrderPage:
    """`d` of `/orders`, or of `/ordersHistory` with `history`."""
    name, table = ("ordersHistory", VenueTable.ORDERS_HISTORY) if history else ("orders", VenueTable.ORDERS)
    payload = mapping_of(data, name)
    orders = [
        VenueOrder(
            order_id=row.id("id"),
            instrument_id=row.id("tradableInstrumentId"),
            route_id=row.id_or_none("routeId"),
            lots=row.decimal("qty"),
            side=_side(row),
            kind=row.text("type"),
            status=row.text_or_none("status"),
            filled_lots=row.decimal_or_none("filledQty") or Decimal(0),
            average_price=row.decimal_or_none("avgPrice"),
            price=row.decimal_or_none("price"),
            stop_price=row.decimal_or_none("stopPrice"),
            validity=row.text_or_none("validity"),
            created_ns=row.time_ns_or_none("createdDate"),
            modified_ns=row.time_ns_or_none("lastModified"),
            is_open=row.flag("isOpen"),
            position_id=row.id_or_none("positionId"),
            stop_loss=row.decimal_or_none("stopLoss"),
            stop_loss_kind=row.text_or_none("stopLossType"),
            take_profit=row.decimal_or_none("takeProfit"),
            take_profit_kind=row.text_or_none("takeProfitType"),
            strategy_id=row.text_or_none("strategyId"),
        )
        for row in _rows(listed(payload, name), config, table, _ORDER_COLUMNS)
    ]
    more = payload.get("hasMore") is not None and Record(payload, name).flag("hasMore")
    return OrderPage(orders, more)


def parse_positions(data: Any, config: VenueConfig) -> list[VenuePosition]:
    """`d` of `/positions`."""
    return [
        VenuePosition(
            position_id=row.id("id"),
            instrument_id=row.id("tradableInstrumentId"),
            route_id=row.id_or_none("routeId"),
            side=_side(row),
            lots=row.decimal("qty"),
            average_price=row.decimal("avgPrice"),
            stop_loss_id=row.id_or_none("stopLossId"),
            take_profit_id=row.id_or_none("takeProfitId"),
            opened_ns=row.time_ns_or_none("openDate"),
            unrealized_pnl=row.decimal_or_none("unrealizedPl"),
            strategy_id=row.text_or_none("strategyId"),
        )
        for row in _rows(listed(data, "positions"), config, VenueTable.POSITIONS, _POSITION_COLUMNS)
    ]


def parse_executions(data: Any, config: VenueConfig) -> list[Execution]:
    """`d` of `/executions`."""
    return [
        Execution(
            execution_id=row.id("id"),
            order_id=row.id_or_none("orderId"),
            position_id=row.id_or_none("positionId"),
            instrument_id=row.id("tradableInstrumentId"),
            side=_side(row),
            lots=row.decimal("qty"),
            price=row.decimal("price"),
            filled_ns=row.time_ns("createdDate"),
        )
        for row in _rows(listed(data, "executions"), config, VenueTable.EXECUTIONS, _EXECUTION_COLUMNS)
    ]


def parse_account_state(data: Any, config: VenueConfig) -> AccountState:
    """`d` of an account's `/state`."""
    (row,) = _rows([listed(data, "accountDetailsData")], config, VenueTable.ACCOUNT_STATE, _STATE_COLUMNS)
    return AccountState(
        balance=row.decimal("balance"),
        equity=row.decimal("projectedBalance"),
        available_funds=row.decimal("availableFunds"),
        values=dict(_numbers(row)),
    )


def _numbers(row: Record) -> Iterator[tuple[str, Decimal | None]]:
    """Cells that are numbers or null; a broker's own column of another kind is passed over."""
    for name in row.values:
        try:
            number = row.decimal_or_none(name)
        except FinalVenueError:
            continue
        yield name, number


def _rows(rows: list[Any], config: VenueConfig, table: VenueTable, needed: Sequence[str]) -> Iterator[Record]:
    """Rows with the names that `/trade/config` gives their cells; columns that we do not know are carried along."""
    columns = config.columns.get(table)
    if columns is None:
        raise FinalVenueError(f"/trade/config: {table} is missing, so its rows cannot be read")
    if missing := [name for name in needed if name not in columns]:
        raise FinalVenueError(f"/trade/config: {table} has no column {', '.join(missing)}; found {', '.join(columns)}")
    for cells in rows:
        values = list_of(cells, table)
        if len(values) != len(columns):
            raise FinalVenueError(f"{table}: a row has {len(values)} cells, /trade/config names {len(columns)} columns")
        yield Record(dict(zip(columns, values, strict=True)), table.removesuffix("Config"))


def _side(row: Record) -> Side:
    word = row.text("side")
    if word.lower() not in _SIDES:
        raise FinalVenueError(f"{row.where}: side: expected buy or sell, found {ascii(word)[:20]}")
    return _SIDES[word.lower()]
