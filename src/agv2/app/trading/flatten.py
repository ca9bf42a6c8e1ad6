"""Closing what a trader holds, whether it runs or not."""

import asyncio
import time

from agv2.app.trading.places import open_journal, read_journal, with_password
from agv2.app.trading.settings import recorded_settings
from agv2.core.errors import AGV2Error, DataError
from agv2.deploy.venue_account import open_venue_broker
from agv2.execution.broker_desk import BrokerDesk
from agv2.execution.journal_records import Started
from agv2.execution.order_executor import OrderExecutor
from agv2.execution.order_ledger import OrderLedger
from agv2.utils.clock import SystemClock
from agv2.utils.environment import load_environment

__all__ = ["flatten_journal"]

_LOOK_S = 0.5


def flatten_journal(location: str, wait_s: float) -> str:
    """Have the trader of a journal close what it holds: the kill switch has been thrown already.

    Args:
        location: of the journal.
        wait_s: seconds to wait for a running trader.

    Returns:
        What came of it, in words.
    """
    deadline = time.monotonic() + wait_s
    try:
        return asyncio.run(_flatten_stopped(location))
    except DataError as error:
        if "another trader" not in str(error) and "another process" not in str(error):
            return f"thrown; {error}"
    while time.monotonic() < deadline:
        if not _held(location):
            return "flat"
        time.sleep(_LOOK_S)
    return "thrown, and the running trader closes what it holds; at a simulated venue that is at the next bar's open"


async def _flatten_stopped(location: str) -> str:
    """No trader runs: close what is at a venue from here.

    Raises:
        DataError: a trader runs, or there is no journal.
    """
    environment, clock = load_environment(), SystemClock()
    read_journal(location, environment).close()  # a journal that is not there is not made
    with open_journal(with_password(location, environment), "agv2 flatten", clock) as journal:
        entry = journal.newest(Started)
        if entry is None or not isinstance(entry.record, Started):
            return "nothing was ever traded"
        started = entry.record
        if started.settings.get("broker") != "venue":
            ledger = OrderLedger.load(journal)
            return "the next start closes what is held" if _ours(ledger) else "flat"
        symbol = started.symbols[0]
        try:
            async with open_venue_broker(
                load_environment(), recorded_settings(started).markets, symbol, clock
            ) as broker:
                desk = BrokerDesk(broker, OrderExecutor(broker, journal, clock), journal, symbol)
                doubt = await desk.start()
                return doubt or await desk.flatten()
        except AGV2Error as error:
            return f"thrown, but what is held could not be closed from here: {error}"


def _held(location: str) -> bool:
    with read_journal(location, load_environment()) as journal:
        return _ours(OrderLedger.load(journal))


def _ours(ledger: OrderLedger) -> bool:
    return any(ledger.opener_of(position) is not None for position in ledger.positions.values())
