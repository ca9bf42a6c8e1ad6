"""Closing what a trader holds, whether it runs or not."""

import asyncio
import time

from agv2.app.trading.account import require_same_account
from agv2.app.trading.places import open_journal, read_journal, with_password
from agv2.app.trading.settings import recorded_settings
from agv2.core.errors import AGV2Error, DataError
from agv2.deploy.venue_account import open_venue_broker
from agv2.execution.broker_desk import BrokerDesk
from agv2.execution.desk import Flattened
from agv2.execution.journal_records import Started
from agv2.execution.order_executor import OrderExecutor
from agv2.execution.order_ledger import OrderLedger
from agv2.utils.clock import SystemClock
from agv2.utils.environment import load_environment

__all__ = ["flatten_journal"]

_LOOK_S = 0.5


def flatten_journal(location: str, wait_s: float) -> Flattened:
    """Have the trader of a journal close what it holds: the kill switch has been thrown already.

    Args:
        location: of the journal.
        wait_s: seconds to wait for a running trader.

    Returns:
        What came of it. It is done once nothing is held at a venue; a simulated one closes at a bar's open.
    """
    deadline = time.monotonic() + wait_s
    try:
        return asyncio.run(_flatten_stopped(location, deadline))
    except DataError as error:
        if "another trader" not in str(error) and "another process" not in str(error):
            return Flattened(False, f"thrown; {error}")
    while True:
        is_held, is_simulated = _held(location)
        if not is_held:
            return Flattened(True, "flat")
        if time.monotonic() >= deadline:
            when = ", at the next bar's open" if is_simulated else "; it still shows a position"
            return Flattened(is_simulated, f"thrown, and the running trader closes what it holds{when}")
        time.sleep(_LOOK_S)


async def _flatten_stopped(location: str, deadline: float) -> Flattened:
    """No trader runs: close what is at a venue from here, and try until `deadline`.

    Raises:
        DataError: a trader runs, or there is no journal.
    """
    environment, clock = load_environment(), SystemClock()
    read_journal(location, environment).close()  # a journal that is not there is not made
    with open_journal(with_password(location, environment), "agv2 flatten", clock) as journal:
        entry = journal.newest(Started)
        if entry is None or not isinstance(entry.record, Started):
            return Flattened(True, "nothing was ever traded")
        started = entry.record
        if started.settings.get("broker") != "venue":
            ledger = OrderLedger.load(journal)
            return Flattened(True, "the next start closes what is held" if _ours(ledger) else "flat")
        symbol = started.symbols[0]
        try:
            async with open_venue_broker(
                load_environment(), recorded_settings(started).markets, symbol, clock
            ) as broker:
                require_same_account(journal, broker.name, symbol)
                desk = BrokerDesk(broker, OrderExecutor(broker, journal, clock), journal, symbol)
                await desk.start()  # an order in doubt is no reason to keep what is held: it is looked for meanwhile
                came = await desk.flatten()
                while not came.is_done and time.monotonic() < deadline:
                    await asyncio.sleep(_LOOK_S)
                    came = await desk.flatten()
                return came
        except AGV2Error as error:
            return Flattened(False, f"thrown, but what is held could not be closed from here: {error}")


def _held(location: str) -> tuple[bool, bool]:
    """Whether the journal shows a position of ours, and whether its venue is simulated."""
    with read_journal(location, load_environment()) as journal:
        entry = journal.newest(Started)
        is_simulated = (
            entry is not None and isinstance(entry.record, Started) and entry.record.settings.get("broker") != "venue"
        )
        return _ours(OrderLedger.load(journal)), is_simulated


def _ours(ledger: OrderLedger) -> bool:
    return any(ledger.opener_of(position) is not None for position in ledger.positions.values())
