"""TradeLocker's REST API, typed: about twenty calls, reads that may be repeated and writes that never are."""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self

import httpx
import numpy as np

from agv2.core.errors import ConfigError, FinalVenueError, InvariantError, UnknownOutcomeError
from agv2.core.timeframes import Timeframe
from agv2.tradelocker.connection import Connection, path_part
from agv2.tradelocker.envelope import unwrap
from agv2.tradelocker.exchange import Exchange
from agv2.tradelocker.json_values import Record
from agv2.tradelocker.login import TradeLockerLogin
from agv2.tradelocker.messages import (
    AccountRules,
    AccountState,
    DailyBar,
    Depth,
    Execution,
    InstrumentDetails,
    PriceHistory,
    Quote,
    SessionStatus,
    VenueAccount,
    VenueConfig,
    VenueInstrument,
    VenueOrder,
    VenuePosition,
)
from agv2.tradelocker.parsing import (
    parse_account_rules,
    parse_daily_bar,
    parse_depth,
    parse_details,
    parse_instruments,
    parse_price_history,
    parse_session_status,
)
from agv2.tradelocker.payloads import (
    UNCHANGED,
    Level,
    OrderChange,
    OrderRequest,
    bracket_payload,
    change_payload,
    close_payload,
    order_payload,
)
from agv2.tradelocker.rate_limiter import Call, Sleep
from agv2.tradelocker.row_parsing import (
    parse_account_state,
    parse_executions,
    parse_orders,
    parse_positions,
)
from agv2.tradelocker.session import LoginSession, shared_session
from agv2.tradelocker.wire import Wire, open_http
from agv2.utils.clock import Clock

__all__ = ["RESOLUTIONS", "TradeLockerClient"]

RESOLUTIONS = {1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "1H", 240: "4H", 1440: "1D", 10080: "1W"}
"""The venue's name of each timeframe that it has, by minutes; case matters."""

_NS_PER_MS = 1_000_000


class TradeLockerClient:
    """One login at the venue; use it as `async with TradeLockerClient(...) as client`.

    Args:
        login: who signs in, and where.
        clock: tells the time of quotes and the end of tokens.
        rng: spreads retries.
        http: client to send through, which stays the caller's to close; None: an own one.
        session: what is shared with other clients; None: with all clients of this login in this process.
        monotonic_ns: a clock that never goes back.
        sleep: waits that many seconds.
        read_budget_s: longest time from the first failure of a read to its last retry.
        write_wait_s: longest wait of a write for its turn.

    Reads raise RetryableVenueError once their budget is spent and FinalVenueError where asking again will not help.
    Writes are sent once, and raise RefusedError, RetryableVenueError, UnknownOutcomeError or FinalVenueError:
    `exchange` says when, and what is then known.
    """

    def __init__(
        self,
        login: TradeLockerLogin,
        *,
        clock: Clock,
        rng: np.random.Generator,
        http: httpx.AsyncClient | None = None,
        session: LoginSession | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Sleep = asyncio.sleep,
        read_budget_s: float = 180.0,
        write_wait_s: float = 5.0,
    ) -> None:
        self._login = login
        self._clock = clock
        self._rng = rng
        self._own_http = http is None
        self._http = http
        self._given_session = session
        self._monotonic_ns = monotonic_ns
        self._sleep = sleep
        self._read_budget_s = read_budget_s
        self._write_wait_s = write_wait_s
        self._connection: Connection | None = None

    def __repr__(self) -> str:
        return f"TradeLockerClient({self._login.address}, server {self._login.server})"

    async def __aenter__(self) -> Self:
        if self._http is None:
            self._http = open_http(self._login.address)
        session = self._given_session or shared_session(
            self._login, asyncio.get_running_loop(), self._monotonic_ns, self._sleep
        )
        wire = Wire(self._http, session.limiter, self._clock, self._monotonic_ns)
        exchange = Exchange(
            self._login,
            session.keeper,
            wire,
            rng=self._rng,
            sleep=self._sleep,
            read_budget_s=self._read_budget_s,
            write_wait_s=self._write_wait_s,
        )
        self._connection = Connection(self._login, session, wire, exchange)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection = None
        if self._own_http and self._http is not None:
            await self._http.aclose()
            self._http = None

    # ---------------------------------------------------------------------------------- login, accounts, settings

    async def sign_in(self) -> None:
        """Sign in with the password, also after signing in had been given up: what a person does after an alarm."""
        await self._venue.sign_in()

    async def config(self) -> VenueConfig:
        """Columns, rate limits and sizes; read again every hour. The limiter follows it."""
        return await self._venue.config()

    async def accounts(self) -> list[VenueAccount]:
        """Accounts of the login as they are now, closed ones included."""
        return await self._venue.accounts()

    async def account(self) -> VenueAccount:
        """The account that the login names by number, or its only active one.

        Raises:
            ConfigError: there is no such account, or the choice is open.
        """
        found = await self.accounts()
        wanted = self._login.acc_num
        chosen = [each for each in found if each.acc_num == wanted or (wanted is None and each.is_active)]
        if len(chosen) == 1:
            return chosen[0]
        listed = ", ".join(f"{each.acc_num} ({each.name}, {each.status})" for each in found) or "none"
        if wanted is None:
            raise ConfigError(f"{len(chosen)} active accounts in this login: set TL_ACC_NUM to one of {listed}")
        raise ConfigError(f"TL_ACC_NUM {wanted} is no account of this login; there are {listed}")

    async def account_rules(self, account_id: str) -> AccountRules:
        """What the broker allows in the account, such as its daily loss limit."""
        data = await self._venue.data(Call.GET_ACCOUNTS, "/trade/accounts", account_id)
        return parse_account_rules(data, account_id)

    async def account_state(self, account_id: str) -> AccountState:
        """Balance, equity and free margin now."""
        data = await self._venue.data(Call.GET_ACCOUNTS_STATE, _of_account(account_id, "state"), account_id)
        return await self._venue.by_columns(parse_account_state, data)

    # ------------------------------------------------------------------------------------ instruments and prices

    async def instruments(self, account_id: str) -> list[VenueInstrument]:
        """Everything the account may trade; ask rarely and keep the answer for minutes."""
        data = await self._venue.data(Call.GET_INSTRUMENTS, _of_account(account_id, "instruments"), account_id)
        return parse_instruments(data, account_id)

    async def instrument_details(self, instrument: VenueInstrument) -> InstrumentDetails:
        """Sizes and state of an instrument now."""
        path = f"/trade/instruments/{path_part(instrument.instrument_id)}"
        params = {"routeId": await self._venue.info_route(instrument), "locale": "en"}
        data = await self._venue.data(Call.GET_INSTRUMENT_DETAILS, path, instrument.account_id, params)
        return parse_details(data, instrument.instrument_id)

    async def quote(self, instrument: VenueInstrument) -> Quote:
        """Best prices now."""
        connection = self._venue
        return await connection.quote(instrument, await connection.info_route(instrument))

    async def depth(self, instrument: VenueInstrument) -> Depth:
        """Offers by price now."""
        return parse_depth(unwrap(await self._market_data(Call.DEPTH, "/trade/depth", instrument), "depth"))

    async def daily_bar(self, instrument: VenueInstrument, side: Literal["BID", "ASK", "TRADE"]) -> DailyBar:
        """The current day so far."""
        answer = await self._market_data(Call.DAILY_BAR, "/trade/dailyBar", instrument, barType=side)
        return parse_daily_bar(unwrap(answer, "daily bar"))

    async def price_history(
        self, instrument: VenueInstrument, timeframe: Timeframe, from_ns: int, to_ns: int
    ) -> PriceHistory:
        """Bars that open from `from_ns` to `to_ns`, both included, at most `config().max_bars` of them.

        Raises:
            ConfigError: the venue has no bars of that length.
        """
        if timeframe.minutes not in RESOLUTIONS:
            offered = ", ".join(Timeframe(minutes).name for minutes in RESOLUTIONS)
            raise ConfigError(f"TradeLocker has no bars of {timeframe.name}; it has {offered}")
        if not 0 <= from_ns <= to_ns:
            raise InvariantError(f"a span of bars runs forward from 1970 on, found {from_ns} to {to_ns} ns")
        answer = await self._market_data(
            Call.QUOTES_HISTORY,
            "/trade/history",
            instrument,
            **{
                "resolution": RESOLUTIONS[timeframe.minutes],
                "from": str(-(-from_ns // _NS_PER_MS)),
                "to": str(to_ns // _NS_PER_MS),
            },
        )
        return parse_price_history(answer)

    async def session_hours(self, account_id: str, session_id: str) -> dict[str, Any]:
        """Hours and holidays of a trade session, as the venue writes them: their form is not documented."""
        data = await self._venue.data(Call.GET_TRADE_SESSIONS, f"/trade/sessions/{path_part(session_id)}", account_id)
        return dict(data) if isinstance(data, dict) else {"sessions": data}

    async def session_status(self, account_id: str, session_status_id: str) -> SessionStatus:
        """What the present phase of a session allows."""
        path = f"/trade/sessionStatuses/{path_part(session_status_id)}"
        return parse_session_status(await self._venue.data(Call.GET_SESSION_STATUSES, path, account_id))

    # -------------------------------------------------------------------------------------- orders and positions

    async def orders(self, account_id: str) -> list[VenueOrder]:
        """Orders that are not final, the stops and targets of open positions included."""
        data = await self._venue.data(Call.GET_ORDERS, _of_account(account_id, "orders"), account_id)
        return (await self._venue.by_columns(parse_orders, data)).orders

    async def orders_history(self, account_id: str, from_ns: int, to_ns: int) -> list[VenueOrder]:
        """Final orders of a span, rejected and cancelled ones included; where the venue cuts short, in parts.

        The venue most likely goes by the time of creation: an old order that fills today may need a wide span.
        """
        path = _of_account(account_id, "ordersHistory")
        limit = (await self.config()).max_orders
        found: dict[str, VenueOrder] = {}
        spans = [(from_ns // _NS_PER_MS, to_ns // _NS_PER_MS)]
        while spans:
            first, last = spans.pop()
            data = await self._venue.data(Call.GET_ORDERS_HISTORY, path, account_id, {"from": first, "to": last})
            page = await self._venue.by_columns(partial(parse_orders, history=True), data)
            found.update({order.order_id: order for order in page.orders})
            if page.has_more or len(page.orders) >= limit:
                if first >= last:
                    raise FinalVenueError(f"{path}: more orders in one millisecond than the venue lists")
                middle = (first + last) // 2
                spans += [(first, middle), (middle + 1, last)]
        return list(found.values())

    async def positions(self, account_id: str) -> list[VenuePosition]:
        """Open positions; each opening order makes its own."""
        data = await self._venue.data(Call.GET_POSITIONS, _of_account(account_id, "positions"), account_id)
        return await self._venue.by_columns(parse_positions, data)

    async def executions(self, account_id: str) -> list[Execution]:
        """Fills of the current session."""
        data = await self._venue.data(Call.GET_EXECUTIONS, _of_account(account_id, "executions"), account_id)
        return await self._venue.by_columns(parse_executions, data)

    async def place_order(self, request: OrderRequest) -> str:
        """Id of the order that was accepted, which is not yet a fill: it may still end as rejected."""
        account_id = request.instrument.account_id
        path = _of_account(account_id, "orders")
        answer = await self._venue.write(Call.PLACE_ORDER, "POST", path, account_id, order_payload(request))
        order_id: str | None = None
        data = None if answer is None else answer.get("d")
        if isinstance(data, dict):
            try:
                order_id = Record(data, "order").id_or_none("orderId")
            except FinalVenueError:
                order_id = None
        if order_id is None:
            raise UnknownOutcomeError(
                f"{Call.PLACE_ORDER} {path}: accepted without an order id; look for {request.strategy_id} in "
                "positions, orders and order history"
            )
        return order_id

    async def modify_order(self, account_id: str, order_id: str, change: OrderChange) -> None:
        """Change a waiting order."""
        path = f"/trade/orders/{path_part(order_id)}"
        await self._venue.write(Call.MODIFY_ORDER, "PATCH", path, account_id, change_payload(change))

    async def cancel_order(self, account_id: str, order_id: str) -> None:
        """Withdraw a waiting order; one that has been filled meanwhile is refused."""
        await self._venue.write(Call.CANCEL_ORDER, "DELETE", f"/trade/orders/{path_part(order_id)}", account_id, None)

    async def modify_position(
        self, account_id: str, position_id: str, *, stop_loss: Level = UNCHANGED, take_profit: Level = UNCHANGED
    ) -> None:
        """Set stop and target of a position; None removes one. Read it back: some routes silently drop it."""
        path = f"/trade/positions/{path_part(position_id)}"
        await self._venue.write(
            Call.MODIFY_POSITION, "PATCH", path, account_id, bracket_payload(stop_loss, take_profit)
        )

    async def close_position(self, account_id: str, position_id: str, lots: Decimal | None = None) -> None:
        """Order the close of a position, or of `lots` of it; it is closed once it is no longer listed."""
        path = f"/trade/positions/{path_part(position_id)}"
        await self._venue.write(Call.CLOSE_POSITION, "DELETE", path, account_id, close_payload(lots))

    async def _market_data(self, call: Call, path: str, instrument: VenueInstrument, **params: str) -> dict[str, Any]:
        """The whole answer: history says `no_data` outside of `d`."""
        connection = self._venue
        route = await connection.info_route(instrument)
        wanted = {"tradableInstrumentId": instrument.instrument_id, "routeId": route} | params
        return await connection.answer(call, path, instrument.account_id, wanted)

    @property
    def _venue(self) -> Connection:
        if self._connection is None:
            raise InvariantError("a TradeLockerClient is used inside `async with`")
        return self._connection


def _of_account(account_id: str, what: str) -> str:
    return f"/trade/accounts/{path_part(account_id)}/{what}"
