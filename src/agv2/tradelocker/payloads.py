"""From our orders to the venue's JSON: exact numbers, complete pairs, nothing the venue would have to guess."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

from agv2.core.errors import InvariantError
from agv2.core.orders import Side
from agv2.tradelocker.messages import VenueInstrument

__all__ = [
    "UNCHANGED",
    "OrderChange",
    "OrderKind",
    "OrderRequest",
    "Unchanged",
    "bracket_payload",
    "change_payload",
    "close_payload",
    "order_payload",
]

_LONGEST_STRATEGY_ID = 31  # the SDK lets 32 pass; the documentation does not
_SIDES = {Side.LONG: "buy", Side.SHORT: "sell"}


class OrderKind(StrEnum):
    """How an order is filled."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"


class Unchanged(Enum):
    """Says that a level stays as it is, which None does not: None removes it."""

    UNCHANGED = "unchanged"


UNCHANGED = Unchanged.UNCHANGED
Level = Decimal | None | Unchanged


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A new order. Stop and target are prices: what a pip is for an offset is not documented."""

    instrument: VenueInstrument
    """Names the account and the route as well."""
    side: Side
    lots: Decimal
    strategy_id: str
    """Unique, at most 31 printable ASCII characters: the only way to find out whether a lost order was carried out."""
    kind: OrderKind = OrderKind.MARKET
    price: Decimal | None = None
    """Limit price, or the price that triggers a stop order; None for a market order."""
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OrderChange:
    """What changes of a waiting order; None leaves a field as it is."""

    kind: OrderKind
    """Of the order, because it decides what `price` means."""
    lots: Decimal | None = None
    price: Decimal | None = None
    stop_loss: Level = UNCHANGED
    take_profit: Level = UNCHANGED


def order_payload(request: OrderRequest) -> dict[str, Any]:
    """Body of `POST /trade/accounts/{id}/orders`.

    Quantities go as text, prices as numbers: the forms that the documentation and the official client share. Both
    are exact to the last digit.

    Raises:
        InvariantError: the request is none that the venue could carry out as meant.
    """
    if request.side not in _SIDES:
        raise InvariantError("an order has a side: long or short")
    name = request.strategy_id
    if not 1 <= len(name) <= _LONGEST_STRATEGY_ID or not name.isascii() or not name.isprintable():
        raise InvariantError(
            f"a strategy id has 1 to {_LONGEST_STRATEGY_ID} printable ASCII characters, found {name!r}"
        )
    if not request.instrument.trade_routes:
        raise InvariantError(f"{request.instrument.name} has no TRADE route, so no order can be placed")
    if (request.price is None) != (request.kind is OrderKind.MARKET):
        raise InvariantError(f"a {request.kind} order {'has no' if request.price is not None else 'needs a'} price")
    body: dict[str, Any] = {
        "tradableInstrumentId": request.instrument.instrument_id,
        "routeId": request.instrument.trade_routes[0],
        "qty": _lots(request.lots),
        "side": _SIDES[request.side],
        "type": request.kind.value,
        "validity": "IOC" if request.kind is OrderKind.MARKET else "GTC",
        "price": 0 if request.price is None or request.kind is OrderKind.STOP else _price(request.price),
        "strategyId": name,
    }
    if request.kind is OrderKind.STOP and request.price is not None:
        body["stopPrice"] = _price(request.price)
    for key, level in (("stopLoss", request.stop_loss), ("takeProfit", request.take_profit)):
        if level is not None:
            body |= {key: _price(level), f"{key}Type": "absolute"}
    return body


def change_payload(change: OrderChange) -> dict[str, Any]:
    """Body of `PATCH /trade/orders/{id}`: only what changes.

    Raises:
        InvariantError: nothing changes, or a value is none.
    """
    body: dict[str, Any] = {}
    if change.lots is not None:
        body["qty"] = _lots(change.lots)
    if change.price is not None:
        body["stopPrice" if change.kind is OrderKind.STOP else "price"] = _price(change.price)
    for key, level in (("stopLoss", change.stop_loss), ("takeProfit", change.take_profit)):
        if level is None:
            body[key] = None
        elif level is not UNCHANGED:
            body |= {key: _price(level), f"{key}Type": "absolute"}
    return _something(body)


def bracket_payload(stop_loss: Level, take_profit: Level) -> dict[str, Any]:
    """Body of `PATCH /trade/positions/{id}`: None removes a leg, `UNCHANGED` leaves it.

    Raises:
        InvariantError: nothing changes, or a value is no price.
    """
    body: dict[str, Any] = {}
    for key, level in (("stopLoss", stop_loss), ("takeProfit", take_profit)):
        if not isinstance(level, Unchanged):
            body[key] = None if level is None else _price(level)
    return _something(body)


def close_payload(lots: Decimal | None) -> dict[str, Any]:
    """Body of `DELETE /trade/positions/{id}`; None closes all, since a quantity of 0 does.

    Raises:
        InvariantError: `lots` is not above zero.
    """
    return {"qty": "0" if lots is None else _lots(lots)}


def _lots(lots: Any) -> str:
    if not isinstance(lots, Decimal) or not lots.is_finite() or not 0 < lots < 10**12:
        raise InvariantError(f"lots are a Decimal above 0, found {lots!r}")
    return format(lots, "f")


def _price(price: Any) -> float:
    """A number that JSON writes with the very digits of `price`, which holds up to 15 of them."""
    if not isinstance(price, Decimal) or not price.is_finite() or not 0 < price < 10**12:
        raise InvariantError(f"a price is a Decimal above 0, found {price!r}")
    number = float(price)
    if Decimal(repr(number)) != price:
        raise InvariantError(f"{price} has more digits than a price on the wire; round it to the tick first")
    return number


def _something(body: dict[str, Any]) -> dict[str, Any]:
    if not body:
        raise InvariantError("a change that changes nothing is not sent")
    return body
