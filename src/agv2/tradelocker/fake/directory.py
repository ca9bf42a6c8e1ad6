"""Which numbers the wire uses for instruments, routes and sessions."""

from collections.abc import Iterable

from agv2.tradelocker.fake.refusals import HttpError
from agv2.tradelocker.fake.rules import VenueRules

__all__ = ["SESSION_ID", "SESSION_STATUS_ID", "Directory"]

_FIRST_INSTRUMENT, _FIRST_SYMBOL, _FIRST_ROUTE = 278, 315, 452
_DEAD, _LIVE = 700_000, 1_152_263
SESSION_ID = "7"
SESSION_STATUS_ID = "31"


class Directory:
    """Ids by symbol: the tradable instrument's, the symbol's, and its routes.

    No id serves in the place of another, so a mix-up is found out.
    """

    def __init__(self, symbols: Iterable[str], rules: VenueRules) -> None:
        self._rules = rules
        self._symbols = list(symbols)
        self._by_instrument = {self.instrument_id(symbol): symbol for symbol in self._symbols}

    def instrument_id(self, symbol: str) -> int:
        """`tradableInstrumentId`."""
        return _FIRST_INSTRUMENT + 11 * self._symbols.index(symbol)

    def symbol_id(self, symbol: str) -> int:
        """`id` in the list of instruments."""
        return _FIRST_SYMBOL + 7 * self._symbols.index(symbol)

    def trade_route(self, symbol: str) -> int:
        """Route that takes orders."""
        return _FIRST_ROUTE + self._symbols.index(symbol)

    def info_route(self, symbol: str) -> int:
        """Route that gives market data."""
        return _LIVE + self._symbols.index(symbol)

    def routes(self, symbol: str) -> list[dict[str, int | str]]:
        """`routes` of the list of instruments."""
        routes: list[tuple[int, str]] = [(self.trade_route(symbol), "TRADE")]
        if self._rules.first_info_route_dead:
            routes.append((_DEAD + self._symbols.index(symbol), "INFO"))
        routes.append((self.info_route(symbol), "INFO"))
        return [
            {"id": str(number) if self._rules.route_ids_as_text else number, "type": kind} for number, kind in routes
        ]

    def symbol(self, instrument_id: str) -> str:
        """Symbol of a `tradableInstrumentId`.

        Raises:
            HttpError: 404, there is none.
        """
        symbol = self._by_instrument.get(int(instrument_id)) if instrument_id.isdecimal() else None
        if symbol is None:
            raise HttpError(404, f"Instrument {instrument_id} not found")
        return symbol

    def require_route(self, symbol: str, route_id: str, *, info: bool) -> None:
        """Let only the instrument's live route of the right sort pass.

        Raises:
            HttpError: 404, it is another, a dead one, or none.
        """
        expected = self.info_route(symbol) if info else self.trade_route(symbol)
        if route_id != str(expected):
            raise HttpError(404, f"Route {route_id} not found")
