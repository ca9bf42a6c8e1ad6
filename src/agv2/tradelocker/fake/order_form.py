"""What a request asks for, read from its JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from agv2.core.orders import Side
from agv2.tradelocker.fake.refusals import RefusalError

__all__ = ["OrderForm", "number_in", "order_form"]

_SIDES = {"buy": Side.LONG, "sell": Side.SHORT}
_VALIDITY = {"market": "IOC", "limit": "GTC", "stop": "GTC"}
_STOP_TYPES = ("absolute", "offset", "trailingOffset")
_TARGET_TYPES = ("absolute", "offset")


@dataclass(frozen=True, slots=True)
class OrderForm:
    """A new order as asked for, its parts well formed but not yet compared with the market."""

    instrument_id: str
    route_id: str
    qty: Decimal
    side: Side
    kind: str
    validity: str
    price: Decimal | None
    stop_price: Decimal | None
    stop_loss: Decimal | None
    stop_loss_type: str | None
    take_profit: Decimal | None
    take_profit_type: str | None
    trail_pips: Decimal | None
    strategy_id: str | None


def number_in(body: Mapping[str, Any], key: str) -> Decimal | None:
    """The number under `key`, given as a number or as text; None where absent or null.

    Raises:
        RefusalError: it is neither, or not finite.
    """
    value = body.get(key)
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise RefusalError(f"{key} must be a number, found {value!r}")
    return number


def order_form(body: Mapping[str, Any], max_strategy_id: int) -> OrderForm:
    """Read the body of `POST .../orders`.

    Raises:
        RefusalError: a field is missing, of another kind, or contradicts another.
    """
    missing = [
        key
        for key in ("tradableInstrumentId", "routeId", "qty", "side", "type", "validity")
        if body.get(key) in (None, "")
    ]
    if missing:
        raise RefusalError(f"Missing required field: {', '.join(missing)}")
    kind, side = str(body["type"]), str(body["side"])
    if kind not in _VALIDITY:
        raise RefusalError(f"Unsupported order type {kind}")
    if side not in _SIDES:
        raise RefusalError(f"Unsupported side {side}")
    if body["validity"] != _VALIDITY[kind]:
        raise RefusalError(f"TIF {body['validity']} is not supported for {kind} orders")
    qty = number_in(body, "qty")
    assert qty is not None
    strategy_id = body.get("strategyId")
    if strategy_id is not None and (not isinstance(strategy_id, str) or len(strategy_id) > max_strategy_id):
        raise RefusalError(f"strategyId must be text of at most {max_strategy_id} characters")
    stop_type, stop_loss = _bracket(body, "stopLoss", _STOP_TYPES)
    target_type, take_profit = _bracket(body, "takeProfit", _TARGET_TYPES)
    trail = number_in(body, "trStopOffset")
    if stop_type == "trailingOffset":
        trail = trail if trail is not None else stop_loss
        stop_loss = None
        if trail is None or trail <= 0:
            raise RefusalError("trStopOffset must be above zero for a trailing stop")
    return OrderForm(
        instrument_id=str(body["tradableInstrumentId"]),
        route_id=str(body["routeId"]),
        qty=qty,
        side=_SIDES[side],
        kind=kind,
        validity=str(body["validity"]),
        price=_required(body, "price") if kind == "limit" else None,
        stop_price=_required(body, "stopPrice") if kind == "stop" else None,
        stop_loss=stop_loss,
        stop_loss_type=stop_type,
        take_profit=take_profit,
        take_profit_type=target_type,
        trail_pips=trail if stop_type == "trailingOffset" else None,
        strategy_id=strategy_id or None,
    )


def _required(body: Mapping[str, Any], key: str) -> Decimal:
    price = number_in(body, key)
    if price is None or price <= 0:
        raise RefusalError(f"{key} must be above zero for {body['type']} orders")
    return price


def _bracket(body: Mapping[str, Any], key: str, types: tuple[str, ...]) -> tuple[str | None, Decimal | None]:
    """Type and value of one bracket; a value of 0 means none."""
    value, kind = number_in(body, key), body.get(f"{key}Type")
    if kind is not None and kind not in types:
        raise RefusalError(f"{key}Type {kind} is not supported")
    trails = kind == "trailingOffset" and number_in(body, "trStopOffset") is not None
    if not value and not trails:
        return None, None
    if kind is None:
        raise RefusalError(f"{key}Type is missing")
    if value is not None and value < 0:
        raise RefusalError(f"{key} must not be negative")
    return kind, value
