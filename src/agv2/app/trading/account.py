"""The account that a start trades: at the venue, or simulated."""

import base64
import json
import zlib
from contextlib import AsyncExitStack
from typing import Any

from agv2.app.trading.request import TradingRequest
from agv2.app.trading.settings import TraderSettings
from agv2.core.bars import Bars
from agv2.core.errors import ConfigError
from agv2.deploy.model_loader import ServedMarket
from agv2.deploy.venue_account import open_venue_broker
from agv2.execution.broker_desk import AT_SIMULATED_VENUE, BrokerDesk
from agv2.execution.journal import Journal
from agv2.execution.journal_records import BrokerSaved, Started
from agv2.execution.order_executor import OrderExecutor
from agv2.execution.simulated_broker import SimulatedBroker, SimulatedSymbol
from agv2.execution.simulated_venue import SimulatedState
from agv2.utils.clock import Clock
from agv2.utils.environment import Environment

__all__ = ["open_desk"]


async def open_desk(
    request: TradingRequest,
    settings: TraderSettings,
    environment: Environment,
    symbol: str,
    model: ServedMarket | None,
    journal: Journal,
    clock: Clock,
    history: Bars,
    last_book: Any,
    stack: AsyncExitStack,
) -> BrokerDesk:
    """The account that a start trades, and what writes its orders down.

    Args:
        request: which account.
        settings: of the trader.
        environment: where the login is.
        symbol: traded.
        model: for its market and costs; a simulated account needs one.
        journal: of this account and of no other.
        clock: of the account.
        history: closed bars so far.
        last_book: as the journal remembers it.
        stack: closes the connection.

    Raises:
        ConfigError: the journal is of another account.
        VenueError: the venue cannot be reached.
    """
    if request.broker == "venue":
        broker = await stack.enter_async_context(
            open_venue_broker(environment, settings.markets, symbol, clock, request.account)
        )
        _require_account(journal, broker.name)
        return BrokerDesk(broker, OrderExecutor(broker, journal, clock), journal, symbol, last_book)
    assert model is not None  # a start without one is refused before
    first_price = float(history.close[-1]) if len(history) else 1.0
    traded = {symbol: SimulatedSymbol(model.instrument.market, model.costs, request.capital, first_price)}
    saved = journal.newest(BrokerSaved)
    state = None
    if saved is not None and isinstance(saved.record, BrokerSaved):
        state = SimulatedState.of_json(_unpacked(saved.record.state))
    simulated = SimulatedBroker(traded, clock, state=state, save=lambda now: _keep(journal, now))
    _require_account(journal, simulated.name)
    executor = OrderExecutor(simulated, journal, clock, AT_SIMULATED_VENUE)
    return BrokerDesk(simulated, executor, journal, symbol, last_book, lambda: simulated.book(symbol))


def _require_account(journal: Journal, account: str) -> None:
    """A journal tells one account's story: orders of another would be looked for where they never were."""
    before = journal.newest(Started)
    if before is not None and isinstance(before.record, Started) and before.record.broker != account:
        raise ConfigError(
            f"the journal is of {before.record.broker}, this start would trade {account}: "
            "name another journal with --journal"
        )


def _keep(journal: Journal, state: SimulatedState) -> None:
    journal.append(BrokerSaved(_packed(state.to_json())))


def _packed(state: dict[str, Any]) -> dict[str, Any]:
    """A simulated venue remembers its last orders and fills: packed, a tenth of the space, and written at every bar."""
    text = json.dumps(state, separators=(",", ":"), allow_nan=False)
    return {"deflated": base64.b64encode(zlib.compress(text.encode())).decode()}


def _unpacked(state: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(state["deflated"])))
    return found
