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

__all__ = ["open_desk", "require_same_account"]


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
        ConfigError: the journal is of another account or symbol.
        VenueError: the venue cannot be reached.
    """
    if request.broker == "venue":
        broker = await stack.enter_async_context(
            open_venue_broker(environment, settings.markets, symbol, clock, request.account)
        )
        require_same_account(journal, broker.name, symbol)
        return BrokerDesk(broker, OrderExecutor(broker, journal, clock), journal, symbol, last_book)
    assert model is not None  # a start without one is refused before
    first_price = float(history.close[-1]) if len(history) else 1.0
    traded = {symbol: SimulatedSymbol(model.instrument.market, model.costs, request.capital, first_price)}
    saved = journal.newest(BrokerSaved)
    state = None
    if saved is not None and isinstance(saved.record, BrokerSaved):
        state = SimulatedState.of_json(_unpacked(saved.record.state))
    simulated = SimulatedBroker(traded, clock, state=state, save=lambda now: _keep(journal, now))
    require_same_account(journal, simulated.name, symbol)
    executor = OrderExecutor(simulated, journal, clock, AT_SIMULATED_VENUE)
    return BrokerDesk(simulated, executor, journal, symbol, last_book, lambda: simulated.book(symbol))


def require_same_account(journal: Journal, account: str, symbol: str) -> None:
    """A journal tells one symbol's story in one account: orders of another would be looked for where they never were.

    Raises:
        ConfigError: it is of another account or symbol.
    """
    before = journal.newest(Started)
    if before is None or not isinstance(before.record, Started):
        return
    theirs = f"{', '.join(before.record.symbols)} in {before.record.broker}"
    if theirs != (ours := f"{symbol} in {account}"):
        raise ConfigError(f"the journal is of {theirs}, this would be {ours}: name the journal of that with --journal")


def _keep(journal: Journal, state: SimulatedState) -> None:
    journal.append(BrokerSaved(_packed(state.to_json())))


def _packed(state: dict[str, Any]) -> dict[str, Any]:
    """A simulated venue remembers its last orders and fills: packed, a tenth of the space, and written at every bar."""
    text = json.dumps(state, separators=(",", ":"), allow_nan=False)
    return {"deflated": base64.b64encode(zlib.compress(text.encode())).decode()}


def _unpacked(state: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(state["deflated"])))
    return found
