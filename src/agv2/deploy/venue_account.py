"""The account at TradeLocker that the environment names, as a broker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import numpy as np

from agv2.core.errors import ConfigError
from agv2.data.config import MarketsConfig
from agv2.execution.tradelocker_broker import SymbolAtVenue, TradeLockerBroker
from agv2.tradelocker.client import TradeLockerClient
from agv2.tradelocker.login import TradeLockerLogin
from agv2.utils.clock import Clock
from agv2.utils.environment import Environment

__all__ = ["open_venue_broker", "require_play_money"]

_PLAY_HOSTS = ("demo.", "stg.")


def require_play_money(environment: Environment) -> None:
    """Refuse an address behind which there may be real money.

    Raises:
        ConfigError: it is neither a demo host nor this machine.
    """
    environment.require("TL_ENVIRONMENT")
    host = urlsplit(environment.tl_environment or "").hostname or ""
    if not (host.startswith(_PLAY_HOSTS) or host.startswith("127.") or host in ("localhost", "::1")):
        raise ConfigError(
            f"paper --broker venue sends orders to a demo account or to this machine, and TL_ENVIRONMENT is {host}; "
            "real accounts are what agv2 live is for"
        )


@asynccontextmanager
async def open_venue_broker(
    environment: Environment, markets: MarketsConfig, symbol: str, clock: Clock, account_id: str | None = None
) -> AsyncIterator[TradeLockerBroker]:
    """The account, open while the block lasts.

    Args:
        environment: has the login.
        markets: what the venue calls the symbol, and its sizes.
        symbol: our name of it.
        clock: tells when something was read.
        account_id: that the account must have; None: whichever it is.

    Raises:
        ConfigError: keys are missing, it is another account, or the symbol is not what we think it is.
        VenueError: the venue cannot be read.
    """
    login = TradeLockerLogin.from_environment(environment)
    entry, _ = markets.entry(symbol)
    at_venue = SymbolAtVenue(markets.venue_name(symbol, login.server), entry.market())
    async with TradeLockerClient(login, clock=clock, rng=np.random.default_rng()) as client:
        if account_id is not None and (found := (await client.account()).account_id) != account_id:
            raise ConfigError(
                f"--account {account_id}: the environment's login opens account {found}; set TL_ACC_NUM to the number "
                "of the account that is meant"
            )
        yield await TradeLockerBroker.open(client, {symbol: at_venue}, clock, server=login.server)
