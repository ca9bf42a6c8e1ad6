"""TradeLocker as a source of history: one login, one instrument, the venue's own clock."""

import difflib
import email.utils
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import numpy as np

from agv2.core.errors import ConfigError
from agv2.core.timeframes import Timeframe
from agv2.data.download.history_pages import HistoryReply
from agv2.tradelocker.client import RESOLUTIONS, TradeLockerClient
from agv2.tradelocker.login import TradeLockerLogin
from agv2.tradelocker.messages import VenueInstrument
from agv2.tradelocker.wire import open_http
from agv2.utils.clock import Clock
from agv2.utils.environment import Environment

__all__ = ["VenueHistory", "require_venue_timeframe", "venue_history"]

_WHOLE_DAY = 1440
_NEAREST = 5
_SIDES = {"BID": "bid", "ASK": "ask", "TRADE": "trade"}


class VenueHistory:
    """Bars of one instrument at one venue.

    Args:
        client: signed in when first asked.
        instrument: whose bars.
        server: the broker's server; its feed is its own.
        max_bars: most bar lengths in one request.
        dates: of the venue's answers.
        stated_side: what the bars' prices are where the venue does not say.
    """

    def __init__(
        self,
        client: TradeLockerClient,
        instrument: VenueInstrument,
        server: str,
        *,
        max_bars: int,
        dates: "_VenueDates",
        stated_side: str | None,
    ) -> None:
        self._client, self._instrument, self._dates = client, instrument, dates
        self.name = f"TradeLocker {server}"
        self.venue_symbol = instrument.name
        self.price_side = _SIDES.get((instrument.bar_source or "").upper(), stated_side)
        self.max_bars = max_bars

    def now_ns(self) -> int:
        """The venue's time by the date of its last answer, never late; the machine's where it sent none."""
        return self._dates.now_ns()

    async def price_history(self, timeframe: Timeframe, from_ns: int, to_ns: int) -> HistoryReply:
        """Bars that open from `from_ns` to `to_ns`, both included.

        Raises:
            VenueError: the venue refused, or stayed silent through all attempts.
        """
        return await self._client.price_history(self._instrument, timeframe, max(from_ns, 0), to_ns)


class _VenueDates:
    """The venue's clock, as its `Date` headers tell it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._read: tuple[int, int] | None = None

    async def note(self, response: httpx.Response) -> None:
        text = response.headers.get("date")
        if text is None:
            return
        try:
            moment = email.utils.parsedate_to_datetime(text)
        except ValueError:
            return
        # Cut to the second, and written before the answer travelled: early on both counts, as it should be.
        self._read = int(moment.timestamp()) * 1_000_000_000, time.monotonic_ns()

    def now_ns(self) -> int:
        if self._read is None:
            return self._clock.now_ns()
        then_ns, monotonic_ns = self._read
        return then_ns + time.monotonic_ns() - monotonic_ns


def require_venue_timeframe(timeframe: Timeframe) -> None:
    """Refuse a timeframe of which the venue has no bars, or none on the clock's grid.

    Raises:
        ConfigError: naming what the venue has, and what to aggregate.
    """
    offered = [minutes for minutes in RESOLUTIONS if minutes <= _WHOLE_DAY]
    if timeframe.minutes in offered:
        return
    finer = max(minutes for minutes in offered if timeframe.minutes % minutes == 0)
    names = ", ".join(Timeframe(minutes).name for minutes in offered)
    raise ConfigError(
        f"TradeLocker has no {timeframe.name} bars to download; it has {names}: download {Timeframe(finer).name} and "
        f"aggregate to {timeframe.name}"
    )


@asynccontextmanager
async def venue_history(
    environment: Environment,
    symbol: str,
    venue_symbol: str,
    *,
    clock: Clock,
    rng: np.random.Generator,
    stated_side: str | None = None,
) -> AsyncIterator[VenueHistory]:
    """The history of `venue_symbol` at the venue that the environment's `TL_*` keys name.

    Args:
        environment: has the login.
        symbol: our name of the market, for messages.
        venue_symbol: the venue's name of it.
        clock: this machine's time.
        rng: spreads retries.
        stated_side: bid, mid, ask or trade where the venue does not say what its bars are made of.

    Raises:
        ConfigError: keys are missing, or the venue lists no such symbol; the nearest ones are named.
        VenueError: signing in failed.
    """
    login = TradeLockerLogin.from_environment(environment)
    dates = _VenueDates(clock)
    http = open_http(login.address, dates.note)
    async with http, TradeLockerClient(login, clock=clock, rng=rng, http=http) as client:
        account = await client.account()
        listed = await client.instruments(account.account_id)
        max_bars = (await client.config()).max_bars
        instrument = _chosen(listed, symbol, venue_symbol, login.server)
        yield VenueHistory(client, instrument, login.server, max_bars=max_bars, dates=dates, stated_side=stated_side)


def _chosen(listed: Sequence[VenueInstrument], symbol: str, venue_symbol: str, server: str) -> VenueInstrument:
    for instrument in listed:
        if instrument.name == venue_symbol:
            return instrument
    names = {instrument.name.casefold(): instrument.name for instrument in listed}
    wanted = venue_symbol.casefold()
    holding = [name for folded, name in sorted(names.items()) if wanted in folded or folded in wanted]
    similar = [names[each] for each in difflib.get_close_matches(wanted, names, n=_NEAREST, cutoff=0.4)]
    nearest = list(dict.fromkeys([*holding, *similar]))[:_NEAREST]
    found = f"the nearest of its {len(listed)} names: {', '.join(nearest)}" if nearest else "nothing like it either"
    raise ConfigError(
        f"server {server} lists no {venue_symbol}; {found}. Name the right one in markets.yaml of --config, or once "
        f"with --set markets.{symbol}.venue_names.{server}=NAME"
    )
