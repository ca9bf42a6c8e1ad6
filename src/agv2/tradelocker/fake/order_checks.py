"""What an order must satisfy before the venue takes it: grid, quantity, and the right side of the market."""

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from agv2.core.orders import Side
from agv2.tradelocker.fake.listings import Listing
from agv2.tradelocker.fake.market import Quote
from agv2.tradelocker.fake.order_form import OrderForm, number_in
from agv2.tradelocker.fake.records import OrderRecord, OrderRole
from agv2.tradelocker.fake.refusals import RefusalError
from agv2.tradelocker.fake.rules import VenueRules

__all__ = ["gridded", "leg_level", "order_changes", "require_qty", "require_side", "require_stop_beyond"]

_BRACKETS = (
    (OrderRole.STOP_LOSS, "stopLoss", "stop_loss"),
    (OrderRole.TAKE_PROFIT, "takeProfit", "take_profit"),
)


def require_qty(qty: Decimal, listing: Listing) -> None:
    """Let only a quantity on the listing's grid pass.

    Raises:
        RefusalError: below the smallest, above the largest, or off the step.
    """
    if qty < listing.min_lot:
        raise RefusalError(f"Quantity {qty} is below the minimum {listing.min_lot}")
    if qty > listing.max_lot:
        raise RefusalError(f"Quantity {qty} is above the maximum {listing.max_lot}")
    if qty % listing.lot_step:
        raise RefusalError(f"Quantity {qty} is not a multiple of the step {listing.lot_step}")


def require_side(side: Side, level: Decimal | None, price: Decimal, role: OrderRole) -> None:
    """Let only a stop loss on the losing side of `price` pass, and a take profit on the winning one.

    Raises:
        RefusalError: it lies on the other side, or at the price itself.
    """
    if level is None:
        return
    wins = (level - price) * int(side) > 0
    if level <= 0 or level == price or wins != (role is OrderRole.TAKE_PROFIT):
        raise RefusalError(f"Invalid {role.value} {level}: wrong side of {price}")


def require_stop_beyond(side: Side, stop_price: Decimal, quote: Quote) -> None:
    """Let only a stop entry above the market (a buy) or below it (a sell) pass.

    Raises:
        RefusalError: the price is there already.
    """
    if (stop_price - quote.to_take(side)) * int(side) <= 0:
        raise RefusalError(f"Stop price {stop_price} is on the wrong side of the market {quote.bid}/{quote.ask}")


def gridded(form: OrderForm, listing: Listing, rules: VenueRules) -> OrderForm:
    """`form` with its prices on the tick grid, as the rules would have it.

    Raises:
        RefusalError: a price is off the grid and the rules do not bend it.
    """
    changes: dict[str, Any] = {}
    for field in ("price", "stop_price"):
        if (price := getattr(form, field)) is not None:
            changes[field] = _on_grid(price, listing, rules)
    for _, _, field in _BRACKETS:
        level = getattr(form, field)
        if level is None or getattr(form, f"{field}_type") != "absolute":
            continue
        if rules.off_grid == "drop_bracket" and not listing.on_grid(level):
            changes |= {field: None, f"{field}_type": None}
        else:
            changes[field] = _on_grid(level, listing, rules)
    return dataclasses.replace(form, **changes)


def leg_level(
    body: Mapping[str, Any], key: str, exit_price: Decimal, direction: int, listing: Listing, rules: VenueRules
) -> Decimal | None:
    """Price at which `body[key]` asks a leg to rest; None (null, 0) removes it.

    Args:
        body: of the request.
        key: `stopLoss` or `takeProfit`.
        exit_price: from which offsets count.
        direction: +1 where the leg lies above it.
        listing: pips and grid.
        rules: what becomes of a price off the grid.

    Raises:
        RefusalError: no number, or off the grid.
    """
    level = number_in(body, key)
    if not level:
        return None
    if body.get(f"{key}Type") == "offset":
        return listing.rounded(exit_price + direction * level * listing.pip_size)
    return _on_grid(level, listing, rules)


def order_changes(
    order: OrderRecord, body: Mapping[str, Any], quote: Quote, listing: Listing, rules: VenueRules
) -> dict[str, Any]:
    """Fields of a resting order that a modification alters, checked.

    Raises:
        RefusalError: a new value is not possible.
    """
    changes: dict[str, Any] = {}
    if (level := number_in(body, "stopPrice" if order.kind == "stop" else "price")) is not None:
        level = _on_grid(level, listing, rules)
        if order.is_leg:
            require_side(Side(-order.side), level, quote.to_take(order.side), order.role)
        elif order.kind == "stop":
            require_stop_beyond(order.side, level, quote)
        changes["stop_price" if order.kind == "stop" else "price"] = level
    if (qty := number_in(body, "qty")) is not None:
        require_qty(qty, listing)
        if qty != order.qty and (order.is_leg or qty <= order.filled_qty):
            raise RefusalError(f"Quantity of order {order.order_id} can not become {qty}")
        changes["qty"] = qty
    if body.get("validity") not in (None, order.validity):
        raise RefusalError(f"TIF {body['validity']} is not supported for {order.kind} orders")
    if not order.is_leg:
        entry = order.level if level is None else level
        for role, key, field in _BRACKETS:
            if key in body:
                changes |= _bracket_change(order, body, (role, key, field), entry, listing, rules)
    return changes


def _bracket_change(
    order: OrderRecord,
    body: Mapping[str, Any],
    bracket: tuple[OrderRole, str, str],
    entry: Decimal,
    listing: Listing,
    rules: VenueRules,
) -> dict[str, Any]:
    role, key, field = bracket
    level = number_in(body, key)
    if not level:
        return {field: None, f"{field}_type": None}
    kind = body.get(f"{key}Type") or getattr(order, f"{field}_type") or "absolute"
    if kind not in ("absolute", "offset"):
        raise RefusalError(f"{key}Type {kind} is not supported here")
    if kind == "absolute":
        level = _on_grid(level, listing, rules)
        require_side(order.side, level, entry, role)
    return {field: level, f"{field}_type": kind}


def _on_grid(price: Decimal, listing: Listing, rules: VenueRules) -> Decimal:
    if price <= 0:
        raise RefusalError(f"Price {price} must be above zero")
    if rules.off_grid == "round":
        return listing.rounded(price)
    if not listing.on_grid(price):
        raise RefusalError(f"Price {price} is not a multiple of the tick {listing.tick_size(price)}")
    return price
