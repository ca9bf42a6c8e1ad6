"""The endpoints: which request is whose business, and what it answers."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from agv2.tradelocker.fake.columns import config_json
from agv2.tradelocker.fake.directory import SESSION_ID, SESSION_STATUS_ID, Directory
from agv2.tradelocker.fake.exchange import Answer, Request
from agv2.tradelocker.fake.faults import Treatment
from agv2.tradelocker.fake.history import RESOLUTIONS, PriceArchive
from agv2.tradelocker.fake.order_form import number_in, order_form
from agv2.tradelocker.fake.records import OrderRecord
from agv2.tradelocker.fake.refusals import HttpError, RefusalError
from agv2.tradelocker.fake.venue import Venue
from agv2.tradelocker.fake.wire import VenueWriter, milliseconds

__all__ = ["Call", "TradeRoutes"]

_NS_PER_MS = 1_000_000
_NS_PER_MINUTE = 60_000_000_000
_ITEM = r"(?P<item>[^/]+)"
_ACCOUNT = r"/trade/accounts/(?P<account>[^/]+)"


class Call(NamedTuple):
    """A request whose sender is known."""

    request: Request
    account_id: str
    """Of the `accNum` header: it alone decides."""
    item: str
    treatment: Treatment


class _Route(NamedTuple):
    method: str
    pattern: re.Pattern[str]
    rate: str
    handler: Callable[[Call], Answer]


class TradeRoutes:
    """Everything under `/trade`."""

    def __init__(self, venue: Venue) -> None:
        self._venue, self._rules = venue, venue.rules
        self._directory = Directory(venue.tapes, venue.rules)
        self._write = VenueWriter(venue, self._directory)
        self._archives = {symbol: PriceArchive(tape) for symbol, tape in venue.tapes.items()}
        self._routes = [
            _Route(method, re.compile(pattern), rate, handler)
            for method, pattern, rate, handler in (
                ("GET", "/trade/config", "CONFIG", self._config),
                ("GET", "/trade/accounts", "GET_ACCOUNTS", self._accounts),
                ("GET", f"{_ACCOUNT}/instruments", "GET_INSTRUMENTS", self._instruments),
                ("GET", f"{_ACCOUNT}/orders", "GET_ORDERS", self._orders),
                ("GET", f"{_ACCOUNT}/ordersHistory", "GET_ORDERS_HISTORY", self._orders_history),
                ("GET", f"{_ACCOUNT}/positions", "GET_POSITIONS", self._positions),
                ("GET", f"{_ACCOUNT}/executions", "GET_EXECUTIONS", self._executions),
                ("GET", f"{_ACCOUNT}/state", "GET_ACCOUNTS_STATE", self._state),
                ("POST", f"{_ACCOUNT}/orders", "PLACE_ORDER", self._place),
                ("DELETE", f"{_ACCOUNT}/orders", "CANCEL_ORDER", self._cancel_all),
                ("DELETE", f"{_ACCOUNT}/positions", "CLOSE_POSITION", self._close_all),
                ("PATCH", f"/trade/orders/{_ITEM}", "MODIFY_ORDER", self._modify_order),
                ("DELETE", f"/trade/orders/{_ITEM}", "CANCEL_ORDER", self._cancel),
                ("PATCH", f"/trade/positions/{_ITEM}", "MODIFY_POSITION", self._modify_position),
                ("DELETE", f"/trade/positions/{_ITEM}", "CLOSE_POSITION", self._close),
                ("GET", f"/trade/instruments/{_ITEM}", "GET_INSTRUMENT_DETAILS", self._details),
                ("GET", f"/trade/sessions/{_ITEM}", "GET_TRADE_SESSIONS", self._session),
                ("GET", f"/trade/sessionStatuses/{_ITEM}", "GET_SESSION_STATUSES", self._session_status),
                ("GET", "/trade/quotes", "QUOTES", self._quotes),
                ("GET", "/trade/depth", "DEPTH", self._depth),
                ("GET", "/trade/dailyBar", "DAILY_BAR", self._daily_bar),
                ("GET", "/trade/history", "QUOTES_HISTORY", self._history),
            )
        ]

    def find(self, method: str, path: str) -> tuple[_Route, dict[str, str]]:
        """The route of a request with the parts of its path.

        Raises:
            HttpError: 404, there is none.
        """
        for route in self._routes:
            if route.method == method and (match := route.pattern.fullmatch(path)):
                return route, match.groupdict()
        raise HttpError(404, f"Cannot {method} {path}")

    def all_accounts(self, account_ids: list[str]) -> Answer:
        """The accounts of a login, with their balances now."""
        return Answer.of_json({"accounts": [self._write.account(each) for each in account_ids]})

    # ------------------------------------------------------------------------------------------ facts

    def _config(self, call: Call) -> Answer:
        return _ok(config_json(self._rules))

    def _accounts(self, call: Call) -> Answer:
        return _ok([self._write.account_details(call.account_id)])

    def _instruments(self, call: Call) -> Answer:
        return _ok({"instruments": [self._write.instrument(symbol) for symbol in self._venue.tapes]})

    def _details(self, call: Call) -> Answer:
        symbol = self._directory.symbol(call.item)
        self._directory.require_route(symbol, call.request.query.get("routeId", ""), info=True)
        return _ok(self._write.details(symbol))

    def _session(self, call: Call) -> Answer:
        if call.item != SESSION_ID:
            raise HttpError(404, f"Session {call.item} not found")
        return _ok(self._write.session())

    def _session_status(self, call: Call) -> Answer:
        if call.item != SESSION_STATUS_ID:
            raise HttpError(404, f"Session status {call.item} not found")
        return _ok({"allowedOperations": [1, 1, 1], "allowedOrderTypes": [1, 1, 1, 1, 1, 1]})

    # ----------------------------------------------------------------------------------------- prices

    def _priced(self, call: Call) -> str:
        """Symbol of a market data request, its INFO route checked."""
        symbol = self._directory.symbol(call.request.query.get("tradableInstrumentId", ""))
        self._directory.require_route(symbol, call.request.query.get("routeId", ""), info=True)
        return symbol

    def _quotes(self, call: Call) -> Answer:
        quote = self._venue.quote(self._priced(call))
        if quote is None:
            raise RefusalError("No quote yet")
        return _ok({"ap": float(quote.ask), "bp": float(quote.bid), "as": 1.0, "bs": 1.0})

    def _depth(self, call: Call) -> Answer:
        symbol = self._priced(call)
        quote, tick = self._venue.quote(symbol), self._venue.tapes[symbol].listing.tick_bands[0].tick_size
        if quote is None:
            return _ok({"asks": [], "bids": []})
        levels = range(5)
        return _ok(
            {
                "asks": [[float(quote.ask + level * tick), 1.0 + level] for level in levels],
                "bids": [[float(quote.bid - level * tick), 1.0 + level] for level in levels],
            }
        )

    def _daily_bar(self, call: Call) -> Answer:
        symbol, kind = self._priced(call), call.request.query.get("barType", "")
        if kind not in ("BID", "ASK", "TRADE"):
            raise HttpError(400, "barType must be BID, ASK or TRADE")
        now_ns = self._venue.now_ns
        day_ns = now_ns // (1440 * _NS_PER_MINUTE) * 1440 * _NS_PER_MINUTE
        bars = self._archives[symbol].served("1D", day_ns, now_ns, now_ns, forming=True)
        quote = self._venue.quote(symbol)
        if not bars.ts_ns.size or quote is None:
            raise RefusalError("No bar today")
        source = self._venue.tapes[symbol].listing.bar_source
        places = {"BID": quote.bid, "TRADE": quote.mid, "ASK": quote.ask}
        shift = float(places[kind] - places[source])
        values = [float(each[0]) + shift for each in (bars.open, bars.high, bars.low, bars.close)]
        return _ok(dict(zip("ohlcv", [*values, float(bars.volume[0])], strict=True)))

    def _history(self, call: Call) -> Answer:
        request, symbol = call.request, self._priced(call)
        resolution = request.query.get("resolution", "")
        from_ms, to_ms = request.number("from"), request.number("to")
        if resolution not in RESOLUTIONS or from_ms is None or to_ms is None:
            raise HttpError(400, f"resolution must be one of {', '.join(RESOLUTIONS)}, from and to milliseconds")
        if from_ms > to_ms:
            raise RefusalError("from must not be after to")
        now_ns = self._venue.now_ns
        from_ns, to_ns = (min(max(each, 0) * _NS_PER_MS, now_ns + 1) for each in (from_ms, to_ms))
        span = (to_ns - from_ns) // (RESOLUTIONS[resolution] * _NS_PER_MINUTE) + 1
        if self._rules.bar_limit_counts == "span" and span > self._rules.max_bars:
            raise RefusalError(f"Too many bars requested: {span}, at most {self._rules.max_bars}")
        depth_ns = self._rules.minute_history_ns
        oldest_ns = now_ns - depth_ns if resolution == "1m" and depth_ns is not None else 0
        archive, forming = self._archives[symbol], self._rules.forming_bar
        bars = archive.served(resolution, max(from_ns, oldest_ns), to_ns, now_ns, forming=forming)
        if bars.ts_ns.size > self._rules.max_bars:
            raise RefusalError(f"Too many bars requested: {bars.ts_ns.size}, at most {self._rules.max_bars}")
        if not bars.ts_ns.size:
            has_older = bars.earlier_ns is not None and bars.earlier_ns >= oldest_ns
            return Answer.of_json({"s": "no_data"} | ({"nb": milliseconds(bars.earlier_ns or 0)} if has_older else {}))
        columns = (bars.ts_ns, bars.open, bars.high, bars.low, bars.close, bars.volume)
        rows = zip(*(each.tolist() for each in columns), strict=True)
        return _ok({"barDetails": [self._write.bar(*row) for row in rows]})

    # ---------------------------------------------------------------------------------------- account

    def _seen_orders(self, call: Call, *, final: bool) -> list[OrderRecord]:
        """Orders of the account that can be seen, as the query narrows them."""
        request, now_ns = call.request, self._venue.now_ns
        from_ms, to_ms = request.number("from"), request.number("to")
        symbol = self._symbol_filter(call)

        def wanted(order: OrderRecord) -> bool:
            stamp = order.modified_ns if final and self._rules.history_filters_by == "modified" else order.created_ns
            return (
                order.account_id == call.account_id
                and order.is_open != final
                and order.visible_ns <= now_ns
                and symbol in (None, order.symbol)
                and (from_ms is None or milliseconds(stamp) >= from_ms)
                and (to_ms is None or milliseconds(stamp) <= to_ms)
            )

        return [order for order in self._venue.books.orders.values() if wanted(order)]

    def _symbol_filter(self, call: Call) -> str | None:
        instrument_id = call.request.query.get("tradableInstrumentId")
        return None if instrument_id is None else self._directory.symbol(instrument_id)

    def _orders(self, call: Call) -> Answer:
        return _ok({"orders": [self._write.order(order) for order in self._seen_orders(call, final=False)]})

    def _orders_history(self, call: Call) -> Answer:
        newest_first = sorted(self._seen_orders(call, final=True), key=lambda order: -int(order.order_id))
        cap = self._rules.max_orders_in_history
        rows = [self._write.order(order) for order in newest_first[:cap]]
        return _ok({"ordersHistory": rows, "hasMore": len(newest_first) > cap})

    def _positions(self, call: Call) -> Answer:
        seen = [
            position
            for position in self._venue.books.open_positions(call.account_id)
            if position.visible_ns <= self._venue.now_ns
        ]
        return _ok({"positions": [self._write.position(position) for position in seen]})

    def _executions(self, call: Call) -> Answer:
        return _ok({"executions": [self._write.execution(fill) for fill in self._write.today(call.account_id)]})

    def _state(self, call: Call) -> Answer:
        return _ok({"accountDetailsData": self._write.state(call.account_id)})

    # ----------------------------------------------------------------------------------------- writes

    def _place(self, call: Call) -> Answer:
        form = order_form(call.request.json(), self._rules.max_strategy_id)
        symbol = self._directory.symbol(form.instrument_id)
        self._directory.require_route(symbol, form.route_id, info=False)
        return _ok({"orderId": self._venue.place(call.account_id, symbol, form, call.treatment)})

    def _modify_order(self, call: Call) -> Answer:
        order = self._venue.change_order(self._venue.own_order(call.account_id, call.item), call.request.json())
        return self._done({"orders": [self._write.modified_order(order)]})

    def _cancel(self, call: Call) -> Answer:
        self._venue.cancel(self._venue.own_order(call.account_id, call.item))
        return self._done()

    def _cancel_all(self, call: Call) -> Answer:
        self._venue.cancel_all(call.account_id, self._symbol_filter(call))
        return self._done()

    def _modify_position(self, call: Call) -> Answer:
        position = self._venue.own_position(call.account_id, call.item)
        self._venue.protect(position, call.request.json())
        return self._done()

    def _close(self, call: Call) -> Answer:
        qty = number_in(call.request.json(), "qty")
        if qty is None:
            raise HttpError(400, "qty is required")
        self._venue.close(self._venue.own_position(call.account_id, call.item), qty, call.treatment)
        return self._done()

    def _close_all(self, call: Call) -> Answer:
        symbol, strategy_id = self._symbol_filter(call), call.request.query.get("strategyId")
        matching = [
            position
            for position in self._venue.books.open_positions(call.account_id)
            if symbol in (None, position.symbol)
            and strategy_id in (None, position.strategy_id)
            and position.visible_ns <= self._venue.now_ns
        ]
        rows = [self._write.position(position) for position in matching]
        for position in matching:
            self._venue.close(position, Decimal(0))
        return self._done({"positions": rows})

    def _done(self, value: Any = None) -> Answer:
        if self._rules.no_content:
            return Answer(204)
        return Answer.of_json({"s": "ok"} if value is None else {"s": "ok", "d": value})


def _ok(value: Any) -> Answer:
    return Answer.of_json({"s": "ok", "d": value})
