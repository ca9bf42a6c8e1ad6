"""What every endpoint needs: the account's number, the venue's columns, the route that answers."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from agv2.core.errors import FinalVenueError, InvariantError, RetryableVenueError
from agv2.tradelocker.envelope import unwrap
from agv2.tradelocker.exchange import Exchange, VenueCall
from agv2.tradelocker.login import TradeLockerLogin
from agv2.tradelocker.messages import Quote, VenueAccount, VenueConfig, VenueInstrument
from agv2.tradelocker.parsing import parse_accounts, parse_config, parse_quote
from agv2.tradelocker.rate_limiter import Call
from agv2.tradelocker.session import LoginSession
from agv2.tradelocker.wire import Wire

__all__ = ["Connection", "path_part"]

_CONFIG_LIFE_NS = 3600 * 1_000_000_000
_CONFIG_FRESH_NS = 10 * 1_000_000_000
_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

Parsed = TypeVar("Parsed")


class Connection:
    """Reads and writes of one client on behalf of an account.

    Args:
        login: who calls.
        session: what the clients of the login share.
        wire: what to send through.
        exchange: repeats reads and never writes.
    """

    def __init__(self, login: TradeLockerLogin, session: LoginSession, wire: Wire, exchange: Exchange) -> None:
        self._login = login
        self._session = session
        self._wire = wire
        self._exchange = exchange

    async def sign_in(self) -> None:
        """Sign in with the password, whatever happened before."""
        await self._session.keeper.sign_in(self._wire)

    async def accounts(self) -> list[VenueAccount]:
        """Accounts of the login as they are now."""
        answer = await self._exchange.read(VenueCall(Call.GET_ACCOUNTS, "GET", "/auth/jwt/all-accounts"))
        found = parse_accounts(answer)
        self._session.acc_nums.update({account.account_id: account.acc_num for account in found})
        return found

    async def config(self) -> VenueConfig:
        """The venue's settings, read again every hour; where that fails, those of the hour before."""
        session = self._session
        if session.config is not None and self._config_age_ns() <= _CONFIG_LIFE_NS:
            return session.config
        async with session.config_lock:
            if session.config is None or self._config_age_ns() > _CONFIG_LIFE_NS:
                await self._read_config()
            assert session.config is not None
            return session.config

    async def answer(
        self, call: Call, path: str, account_id: str, params: Mapping[str, str | int] | None = None
    ) -> dict[str, Any]:
        """The whole answer to a read on behalf of an account."""
        await self.config()  # its limits hold from the first call on
        return await self._read(call, path, account_id, params or {})

    async def data(self, call: Call, path: str, account_id: str, params: Mapping[str, str | int] | None = None) -> Any:
        """The payload of the answer to a read on behalf of an account."""
        return unwrap(await self.answer(call, path, account_id, params), f"{call} {path}")

    async def write(
        self, call: Call, method: str, path: str, account_id: str, body: Mapping[str, Any] | None
    ) -> dict[str, Any] | None:
        """Send a write once; its answer, None where the venue said yes without one."""
        acc_num = await self._acc_num(account_id)
        return await self._exchange.write(VenueCall(call, method, path, acc_num, body=body))

    async def by_columns(self, parse: Callable[[Any, VenueConfig], Parsed], data: Any) -> Parsed:
        """`data` by the columns we know; if it does not fit, by those that the venue names now."""
        config = await self.config()
        try:
            return parse(data, config)
        except FinalVenueError as error:
            problem = str(error)
        if self._config_age_ns() < _CONFIG_FRESH_NS:
            raise FinalVenueError(problem)
        async with self._session.config_lock:
            await self._read_config()
        return parse(data, await self.config())

    async def quote(self, instrument: VenueInstrument, route: str) -> Quote:
        """Best prices on one route."""
        params = {"tradableInstrumentId": instrument.instrument_id, "routeId": route}
        data = await self.data(Call.QUOTES, "/trade/quotes", instrument.account_id, params)
        return parse_quote(data, self._wire.clock.now_ns())

    async def info_route(self, instrument: VenueInstrument) -> str:
        """Route for market data. Of several the first may be dead: they are tried from the last."""
        routes, known = instrument.info_routes, self._session.info_routes
        if len(routes) == 1:
            return routes[0]
        async with self._session.probe_lock:
            if (route := known.get(instrument.instrument_id, "")) in routes:
                return route
            problem = "there is none"
            for route in reversed(routes):
                try:
                    await self.quote(instrument, route)
                except FinalVenueError as error:
                    problem = str(error)
                else:
                    known[instrument.instrument_id] = route
                    return route
        raise FinalVenueError(f"{instrument.name}: no INFO route answers: {problem}")

    async def _read(self, call: Call, path: str, account_id: str, params: Mapping[str, str | int]) -> dict[str, Any]:
        acc_num = await self._acc_num(account_id)
        return await self._exchange.read(VenueCall(call, "GET", path, acc_num, params))

    async def _read_config(self) -> None:
        path, session = "/trade/config", self._session
        problem: RetryableVenueError | None = None
        try:
            answer = await self._read(Call.CONFIG, path, await self._any_account(), {})
        except RetryableVenueError as error:
            if session.config is None:
                raise
            problem = error
        if problem is None:
            session.config = parse_config(unwrap(answer, path))
            session.limiter.configure(session.config.rate_limits)
        session.config_read_ns = self._wire.monotonic_ns()

    def _config_age_ns(self) -> int:
        return self._wire.monotonic_ns() - self._session.config_read_ns

    async def _acc_num(self, account_id: str) -> int:
        """The header alone decides which account a call is for: it is looked up, never guessed."""
        known = self._session.acc_nums
        if account_id not in known:
            await self.accounts()
        if account_id not in known:
            raise FinalVenueError(f"account {account_id} is none of this login's; ids of demo and live never mix")
        return known[account_id]

    async def _any_account(self) -> str:
        """Settings are the venue's, yet the call wants an account: the login's own, else its first."""
        known = self._session.acc_nums
        if not known:
            await self.accounts()
        by_number = {number: account_id for account_id, number in known.items()}
        if not by_number:
            raise FinalVenueError("this login has no account")
        return by_number.get(self._login.acc_num or 0) or by_number[min(by_number)]


def path_part(part: str) -> str:
    """An id that stands in a path.

    Raises:
        InvariantError: it is none.
    """
    if not _SAFE_ID.fullmatch(part):
        raise InvariantError(f"{part!r} is no id of the venue")
    return part
