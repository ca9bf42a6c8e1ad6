"""TradeLocker's rows in the words of the `Broker` port."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from agv2.core.orders import FillReason
from agv2.execution.broker_messages import BrokerFill, BrokerOrder, BrokerOrderStatus, BrokerPosition
from agv2.tradelocker.messages import VenueOrder, VenuePosition

__all__ = ["InstrumentView", "fills_of", "order_view", "position_view"]

_REJECTED = ("rejected", "refused", "unplaced")


@dataclass(frozen=True, slots=True)
class InstrumentView:
    """What rows of one instrument are read with."""

    symbol: str
    contract_size: Decimal


def order_view(order: VenueOrder, instrument: InstrumentView) -> BrokerOrder:
    """An order. Its state follows from quantities; the status text only tells a rejection from a cancellation."""
    sign = int(order.side)
    return BrokerOrder(
        venue_order_id=order.order_id,
        symbol=instrument.symbol,
        units=sign * _units(order.lots, instrument),
        filled_units=sign * _units(order.filled_lots, instrument),
        average_price=None if not order.filled_lots else _number(order.average_price),
        status=_status(order),
        kind=order.kind,
        price=_number(order.stop_price if order.kind == "stop" else order.price) if order.kind != "market" else None,
        strategy_id=order.strategy_id,
        position_id=order.position_id,
        created_ns=order.created_ns,
    )


def position_view(
    position: VenuePosition, orders: Mapping[str, VenueOrder], instrument: InstrumentView
) -> BrokerPosition:
    """A position with the levels of the legs that it names; a leg that rests at no level protects nothing."""
    stop = orders.get(position.stop_loss_id or "")
    target = orders.get(position.take_profit_id or "")
    return BrokerPosition(
        position_id=position.position_id,
        symbol=instrument.symbol,
        units=int(position.side) * _units(position.lots, instrument),
        entry_price=float(position.average_price),
        stop_loss=0.0 if stop is None else float(stop.stop_price or stop.price or 0),
        take_profit=0.0 if target is None else float(target.price or target.stop_price or 0),
        strategy_id=position.strategy_id,
        opened_ns=position.opened_ns,
        open_pnl=_number(position.unrealized_pnl),
    )


def fills_of(final: Sequence[VenueOrder], views: Mapping[str, InstrumentView]) -> Iterator[BrokerFill]:
    """One fill for each final order that filled at all; its id is the order's, so it is the same at every reading."""
    opened_by = {
        order.position_id: order.strategy_id
        for order in final
        if order.position_id is not None and order.strategy_id is not None
    }
    for order in final:
        if not order.filled_lots or order.is_open:
            continue
        view = views[order.instrument_id]
        price = order.average_price or order.price or order.stop_price
        yield BrokerFill(
            fill_id=order.order_id,
            symbol=view.symbol,
            side=int(order.side),
            units=_units(order.filled_lots, view),
            price=float(price or 0),
            filled_ns=order.modified_ns or order.created_ns or 0,
            venue_order_id=order.order_id,
            position_id=order.position_id,
            strategy_id=order.strategy_id or opened_by.get(order.position_id or ""),
            commission=None,
            mid=None,
            reason=FillReason.NONE.value,
            decided_ns=0,
        )


def _status(order: VenueOrder) -> BrokerOrderStatus:
    if order.filled_lots >= order.lots:
        return BrokerOrderStatus.FILLED
    if order.is_open:
        return BrokerOrderStatus.WORKING
    if (order.status or "").lower() in _REJECTED and not order.filled_lots:
        return BrokerOrderStatus.REJECTED
    return BrokerOrderStatus.CANCELLED


def _units(lots: Decimal, instrument: InstrumentView) -> float:
    return float(lots * instrument.contract_size)


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
