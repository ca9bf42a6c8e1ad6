"""The fake venue on a real socket, for whoever speaks the TradeLocker API."""

import math
import os
import socket
import struct
import sys
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from agv2.core.errors import ConfigError, InvariantError
from agv2.tradelocker.fake.checks import check_books
from agv2.tradelocker.fake.exchange import Answer, Delivery, Request, RequestRecord
from agv2.tradelocker.fake.faults import FaultPlan
from agv2.tradelocker.fake.listings import FakeLogin, Listing
from agv2.tradelocker.fake.market import Quote
from agv2.tradelocker.fake.rate_watch import RateViolation
from agv2.tradelocker.fake.records import Execution, LedgerEntry, OrderRecord, PositionRecord
from agv2.tradelocker.fake.rules import VenueRules
from agv2.tradelocker.fake.service import VenueService
from agv2.tradelocker.fake.venue import Venue
from agv2.utils.clock import Clock, ReplayClock

__all__ = ["FakeTradeLocker"]

_NS_PER_S = 1_000_000_000


class FakeTradeLocker:
    """A TradeLocker venue of our own on 127.0.0.1, with a true ledger; a context manager.

    The truth moves with `clock`: at every request, and at `advance_to`, resting orders are filled at the prices that
    the listings had in between. Records handed out are immutable and stay as they were.

    >>> import numpy as np
    >>> from agv2.core.bars import Bars
    >>> from agv2.core.timeframes import Timeframe
    >>> price, stamps = np.full(3, 100.0), np.arange(3) * 60_000_000_000
    >>> bars = Bars("ETHUSD", Timeframe(1), stamps, price, price, price, price, price, price * 0)
    >>> with FakeTradeLocker([Listing("ETHUSD", bars)], clock=ReplayClock(0)) as fake:
    ...     fake.url.startswith("http://127.0.0.1:"), fake.quote("ETHUSD").bid, fake.check()
    (True, Decimal('100.0'), [])

    Args:
        listings: instruments and their prices over time; bars that open later than venue time are never served.
        clock: the venue's time.
        logins: who may log in; account ids distinct.
        rules: behaviour, mostly where the documentation is silent.
        faults: what goes wrong; may be added to while running.
        port: 0 for any free one.

    Raises:
        ConfigError: two listings share a name, or two accounts an id.
    """

    def __init__(
        self,
        listings: Iterable[Listing],
        *,
        clock: Clock,
        logins: Iterable[FakeLogin] = (FakeLogin(),),
        rules: VenueRules | None = None,
        faults: FaultPlan | None = None,
        port: int = 0,
    ) -> None:
        listings, self.logins = list(listings), list(logins)
        accounts = [account for login in self.logins for account in login.accounts]
        _require_distinct("listing", [listing.name for listing in listings])
        _require_distinct("account", [account.account_id for account in accounts])
        self.faults = faults if faults is not None else FaultPlan()
        self.clock = clock
        self._lock = threading.RLock()
        self._venue = Venue(listings, accounts, rules or VenueRules(), clock.now_ns())
        self._service = VenueService(self._venue, self.logins, self.faults)
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "FakeTradeLocker":
        self._server = _Server(("127.0.0.1", self._port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="fake venue")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._thread is not None
        server, self._server = self._server, None
        server.hang_up()
        server.shutdown()
        self._thread.join()
        server.hang_up()
        server.server_close()
        if server.failures and error is None:
            raise InvariantError(f"the fake venue failed at a request: {server.failures[0]!r}") from server.failures[0]

    @property
    def url(self) -> str:
        """Host part, `http://127.0.0.1:PORT`; clients append `/backend-api`.

        Raises:
            InvariantError: it is not running.
        """
        if self._server is None:
            raise InvariantError("the fake venue has an address only while it runs")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def handle(self, request: Request) -> Answer:
        """Answer one request at the present venue time, without a socket."""
        with self._lock:
            self._venue.advance(self.clock.now_ns())
            return self._service.answer(request)

    # ------------------------------------------------------------------------------------------- time

    @property
    def now_ns(self) -> int:
        """Venue time, up to which everything has happened."""
        with self._lock:
            self._venue.advance(self.clock.now_ns())
            return self._venue.now_ns

    def advance_to(self, ts_ns: int) -> None:
        """Set the venue's `ReplayClock` to `ts_ns` and let everything until then happen.

        Raises:
            ConfigError: the clock is of another kind.
            InvariantError: that moment is past.
        """
        if not isinstance(self.clock, ReplayClock):
            raise ConfigError(f"only a ReplayClock can be stepped, found {type(self.clock).__name__}")
        with self._lock:
            self.clock.advance_to(ts_ns)
            self._venue.advance(ts_ns)

    def advance(self, seconds: float) -> None:
        """`advance_to`, counted from now."""
        self.advance_to(self.clock.now_ns() + round(seconds * _NS_PER_S))

    def add_maintenance(self, start_ns: int, stop_ns: int) -> None:
        """From `start_ns` up to `stop_ns` every request is answered with 503, and no stop triggers."""
        with self._lock:
            self._venue.matching.add_maintenance(start_ns, stop_ns)

    def set_symbol_status(self, symbol: str, status: str | None) -> None:
        """Close or halt a market by hand: `CLOSED`, `TRADING_HALT`; None: as the feed says."""
        with self._lock:
            self._venue.closed_by_hand.pop(symbol, None)
            if status is not None:
                self._venue.closed_by_hand[symbol] = status

    def revoke_tokens(self) -> None:
        """End every access and refresh token."""
        with self._lock:
            self._service.logins.revoke()

    # ------------------------------------------------------------------------------------------ truth

    def orders(self) -> list[OrderRecord]:
        """Every order there ever was, oldest first, legs and closing orders included."""
        with self._lock:
            return list(self._venue.books.orders.values())

    def orders_of(self, strategy_id: str) -> list[OrderRecord]:
        """Orders that were accepted under a strategy id."""
        return [order for order in self.orders() if order.strategy_id == strategy_id and not order.is_leg]

    def positions(self) -> list[PositionRecord]:
        """Every position there ever was, oldest first."""
        with self._lock:
            return list(self._venue.books.positions.values())

    def open_positions(self) -> list[PositionRecord]:
        """Positions with something left in them, visible or not."""
        with self._lock:
            return self._venue.books.open_positions()

    def unprotected_positions(self) -> list[PositionRecord]:
        """Open positions without a stop loss."""
        return [position for position in self.open_positions() if position.stop_loss_id is None]

    @property
    def executions(self) -> list[Execution]:
        """Every fill."""
        with self._lock:
            return list(self._venue.books.executions)

    @property
    def ledger(self) -> list[LedgerEntry]:
        """Everything that happened to orders, positions and money."""
        with self._lock:
            return list(self._venue.books.ledger)

    @property
    def requests(self) -> list[RequestRecord]:
        """Every request received, secrets blotted out."""
        with self._lock:
            return list(self._service.requests)

    @property
    def rate_violations(self) -> list[RateViolation]:
        """Requests beyond the limits, answered with 429 or not."""
        with self._lock:
            return list(self._service.rates.violations)

    def account_figures(self, account_id: str) -> dict[str, Any]:
        """Exact `balance`, `equity` and `margin`, decimals in account currency."""
        with self._lock:
            venue = self._venue
            return {
                "balance": venue.books.balances[account_id],
                "equity": venue.equity(account_id),
                "margin": venue.margin(account_id),
            }

    def quote(self, symbol: str) -> Quote | None:
        """Best prices at venue time; None before the first."""
        with self._lock:
            return self._venue.quote(symbol)

    def check(self) -> list[str]:
        """What in the books contradicts itself; empty where all is well."""
        with self._lock:
            return check_books(self._venue.books)


def _require_distinct(what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"the fake venue needs distinct {what}s, found twice: {', '.join(twice)}")


class _Server(ThreadingHTTPServer):
    """One thread a connection; all of them end with the server."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], fake: FakeTradeLocker) -> None:
        super().__init__(address, _Handler)
        self.fake = fake
        self.stopping = threading.Event()
        self.failures: list[BaseException] = []
        self._connections: set[socket.socket] = set()
        self._guard = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Wake every waiting handler and end every connection."""
        self.stopping.set()
        with self._guard:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the client was faster

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
        if error is not None and not isinstance(error, ConnectionError):
            self.failures.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one packet
    server: _Server

    def _serve(self) -> None:
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal():
            self.send_error(400)
            return
        raw_body = self.rfile.read(int(length))
        request = Request.of(self.command, self.path, dict(self.headers.items()), raw_body)
        answer = self.server.fake.handle(request)
        if answer.wait_s:
            self.server.stopping.wait(None if math.isinf(answer.wait_s) else answer.wait_s)
        if answer.never or self.server.stopping.is_set():
            self.close_connection = True
            return
        self._deliver(answer)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do_HEAD = _serve  # noqa: N815 - the base class looks them up

    def _deliver(self, answer: Answer) -> None:
        if answer.delivery is Delivery.RESET:
            # Closing a socket that lingers for zero seconds sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
        if answer.delivery in (Delivery.RESET, Delivery.DROPPED):
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if answer.delivery is Delivery.TRUNCATED:
            self.close_connection = True
            self.wfile.write(answer.body[: len(answer.body) // 2])
        elif self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: `FakeTradeLocker.requests` remembers more."""
