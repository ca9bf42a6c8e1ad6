"""The venue's records as JSON of the wire."""

import datetime
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from agv2.core.orders import Side
from agv2.tradelocker.fake.columns import columns_of, row_of
from agv2.tradelocker.fake.directory import SESSION_ID, SESSION_STATUS_ID, Directory
from agv2.tradelocker.fake.records import Execution, OrderRecord, PositionRecord
from agv2.tradelocker.fake.venue import Venue

__all__ = ["VenueWriter", "iso_time", "milliseconds"]

_NS_PER_MS = 1_000_000
_NS_PER_DAY = 86_400_000_000_000
_SIDES = {Side.LONG: "buy", Side.SHORT: "sell"}


def milliseconds(ts_ns: int) -> int:
    """Unix milliseconds, rounded down."""
    return ts_ns // _NS_PER_MS


def _text(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")


class VenueWriter:
    """Writes what is in `venue` under the ids of `directory`. Every value of a table row is text or null."""

    def __init__(self, venue: Venue, directory: Directory) -> None:
        self._venue, self._directory, self._rules = venue, directory, venue.rules

    def instrument(self, symbol: str) -> dict[str, Any]:
        """One entry of the list of instruments."""
        listing = self._venue.tapes[symbol].listing
        return {
            "tradableInstrumentId": self._directory.instrument_id(symbol),
            "id": self._directory.symbol_id(symbol),
            "name": symbol,
            "description": f"{symbol} of a fake venue",
            "type": listing.kind,
            "tradingExchange": "FAKE",
            "marketDataExchange": "FAKE",
            "country": 0,
            "logoUrl": "",
            "localizedName": symbol,
            "barSource": listing.bar_source,
            "hasIntraday": True,
            "hasDaily": True,
            "routes": self._directory.routes(symbol),
        }

    def details(self, symbol: str) -> dict[str, Any]:
        """Sizing facts of one instrument."""
        listing = self._venue.tapes[symbol].listing
        bands = listing.tick_bands
        return {
            "name": symbol,
            "description": f"{symbol} of a fake venue",
            "type": listing.kind,
            "lotSize": float(listing.lot_size),
            "minLot": float(listing.min_lot),
            "lotStep": float(listing.lot_step),
            "maxLot": float(listing.max_lot),
            "tickSize": [
                {"leftRangeLimit": float(band.from_price), "tickSize": float(band.tick_size)} for band in bands
            ],
            "tickCost": [{"leftRangeLimit": float(band.from_price), "tickCost": 0.0} for band in bands],
            "baseCurrency": listing.base_currency,
            "quotingCurrency": listing.quoting_currency,
            "leverage": float(listing.leverage),
            "barSource": listing.bar_source,
            "symbolStatus": self._venue.symbol_status(symbol),
            "tradeSessionId": SESSION_ID,
            "tradeSessionStatusId": SESSION_STATUS_ID,
            "lastTradeDate": None,
        }

    def order(self, order: OrderRecord) -> list[Any]:
        """One row of orders or ordersHistory."""
        values = {
            "id": order.order_id,
            "tradableInstrumentId": str(self._directory.instrument_id(order.symbol)),
            "routeId": str(self._directory.trade_route(order.symbol)),
            "qty": _text(order.qty),
            "side": _SIDES[order.side],
            "type": order.kind,
            "status": order.status.value,
            "filledQty": _text(order.filled_qty),
            "avgPrice": _text(order.average_price),
            "price": _text(order.price or order.average_price or Decimal(0)),
            "stopPrice": _text(order.stop_price or Decimal(0)),
            "validity": order.validity,
            "expireDate": None,
            "createdDate": str(milliseconds(order.created_ns)),
            "lastModified": str(milliseconds(order.modified_ns)),
            "isOpen": "true" if order.is_open else "false",
            "positionId": order.position_id,
            "stopLoss": _text(order.stop_loss),
            "stopLossType": order.stop_loss_type,
            "takeProfit": _text(order.take_profit),
            "takeProfitType": order.take_profit_type,
            "strategyId": order.strategy_id,
        }
        return row_of("ordersConfig", values, self._rules)

    def modified_order(self, order: OrderRecord) -> list[Any]:
        """The row that answers a modification; its status may say nothing."""
        row = self.order(order)
        if not self._rules.status_in_modify_answer:
            row[columns_of("ordersConfig", self._rules).index("status")] = "None"
        return row

    def position(self, position: PositionRecord) -> list[Any]:
        """One row of positions."""
        values = {
            "id": position.position_id,
            "tradableInstrumentId": str(self._directory.instrument_id(position.symbol)),
            "routeId": str(self._directory.trade_route(position.symbol)),
            "side": _SIDES[position.side],
            "qty": _text(position.qty),
            "avgPrice": _text(position.average_price),
            "stopLossId": position.stop_loss_id,
            "takeProfitId": position.take_profit_id,
            "openDate": str(milliseconds(position.opened_ns)),
            "unrealizedPl": f"{self._venue.open_profit(position):.2f}",
            "strategyId": position.strategy_id,
        }
        return row_of("positionsConfig", values, self._rules)

    def execution(self, execution: Execution) -> list[Any]:
        """One row of executions."""
        values = {
            "id": execution.execution_id,
            "price": _text(execution.price),
            "side": _SIDES[execution.side],
            "createdDate": str(milliseconds(execution.ts_ns)),
            "qty": _text(execution.qty),
            "orderId": execution.order_id,
            "positionId": execution.position_id,
            "tradableInstrumentId": str(self._directory.instrument_id(execution.symbol)),
        }
        return row_of("filledOrdersConfig", values, self._rules)

    def today(self, account_id: str) -> list[Execution]:
        """Fills of the current session, which begins at 00:00 UTC."""
        start_ns = self._venue.now_ns // _NS_PER_DAY * _NS_PER_DAY
        return [
            each for each in self._venue.books.executions if each.account_id == account_id and each.ts_ns >= start_ns
        ]

    def state(self, account_id: str) -> list[float]:
        """`accountDetailsData`: numbers only."""
        venue, fills = self._venue, self.today(account_id)
        balance, equity = venue.books.balances[account_id], venue.equity(account_id)
        margin, profit = venue.margin(account_id), equity - balance
        gross, fees = _sum(fill.realised for fill in fills), _sum(fill.fee for fill in fills)
        working = [order for order in venue.books.working() if order.account_id == account_id]
        values = {
            "balance": balance,
            "projectedBalance": equity,
            "availableFunds": equity - margin,
            "cashBalance": balance,
            "withdrawalAvailable": max(Decimal(0), min(balance, equity - margin)),
            "initialMarginReq": margin,
            "maintMarginReq": margin,
            "marginWarningLevel": margin,
            "stopOutLevel": margin / 2,
            "warningMarginReq": margin,
            "marginBeforeWarning": equity - margin,
            "todayGross": gross,
            "todayNet": gross - fees,
            "todayFees": fees,
            "todayVolume": _sum(fill.qty for fill in fills),
            "todayTradesCount": Decimal(len(fills)),
            "openGrossPnL": profit,
            "openNetPnL": profit,
            "positionsCount": Decimal(len(venue.books.open_positions(account_id))),
            "ordersCount": Decimal(len(working)),
        }
        columns = columns_of("accountDetailsConfig", self._rules)
        return [float(round(values.get(name, Decimal(0)), 2)) for name in columns]

    def account(self, account_id: str) -> dict[str, Any]:
        """One entry of the list of all accounts; numbers as text."""
        account = self._venue.books.accounts[account_id]
        return {
            "id": account_id,
            "name": f"FAKE#{account_id}#{account.acc_num}",
            "currency": account.currency,
            "accNum": account.acc_num,
            "accountBalance": f"{self._venue.books.balances[account_id]:.2f}",
            "status": account.status,
        }

    def account_details(self, account_id: str) -> dict[str, Any]:
        """The header's account, with its rules."""
        account = self._venue.books.accounts[account_id]
        return {
            "id": account_id,
            "name": f"FAKE#{account_id}#{account.acc_num}",
            "currency": account.currency,
            "status": account.status,
            "type": "DEMO",
            "tradingRules": {"supportBrackets": True, "supportTrailingStop": True, "supportHedging": True},
            "riskRules": {"dailyLossLimit": None, "maxDrawdown": None},
        }

    def session(self) -> dict[str, Any]:
        """Trading hours, as a name: the truth is the feed's own."""
        return {
            "id": SESSION_ID,
            "name": "as the feed",
            "sessionHolidays": [],
            "sessionType": "MAIN",
            "timeZone": "UTC",
        }

    def bar(self, ts_ns: int, *values: float) -> dict[str, float | int]:
        """One bar of history."""
        return {"t": milliseconds(ts_ns)} | dict(zip("ohlcv", map(float, values), strict=True))


def _sum(numbers: Iterable[Decimal]) -> Decimal:
    return sum(numbers, Decimal(0))


def iso_time(ts_ns: int) -> str:
    """`2026-03-02T11:00:00.000Z`."""
    moment = datetime.datetime.fromtimestamp(ts_ns / 1e9, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
