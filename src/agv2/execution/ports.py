"""What trading needs from outside: a broker that carries orders out, a feed of closed bars.

The rules that every broker keeps, and that the contract suite checks by number (`tests/contracts`):

1. A write is sent at most once. No method repeats one by itself, whatever happened.
2. A write never raises because of the venue: its reply says `ACCEPTED`, `REFUSED`, `NOT_SENT` or `UNKNOWN`, and in
   doubt always the last. `InvariantError` is raised for a request that is wrong in itself, before anything is sent.
3. A read has no effect, may be repeated, and either tells the venue's truth or raises `VenueError`. It never tells less
   than it knows: no empty list in place of an error, no position without the stop that rests beside it.
4. What was accepted may be shown late, filled later, in parts, or rejected after all.
5. `strategy_id` comes back on whatever an order became, and `find` looks for it everywhere.
6. Foreign orders and positions are listed like one's own.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from agv2.core.bars import Bar, Bars
from agv2.execution.broker_messages import (
    AccountSnapshot,
    BracketChange,
    BrokerFill,
    BrokerOrder,
    BrokerState,
    Close,
    PriceQuote,
    Sighting,
    Submission,
    TradingTerms,
    WriteReply,
)

__all__ = ["BarFeed", "Broker"]


class BarFeed(Protocol):
    """Closed bars of one symbol as they become known."""

    def bars(self) -> AsyncIterator[Bars]:
        """Newly closed bars, one or more at a time, oldest first, none twice.

        Raises:
            AGV2Error: no more will come, and why.
        """
        ...


class Broker(Protocol):
    """One account at one venue, real or simulated.

    Reads raise RetryableVenueError where asking again may help and FinalVenueError where it will not.
    """

    @property
    def name(self) -> str:
        """For the journal and for a person, such as `TradeLocker DEMO 812345`."""
        ...

    @property
    def nets(self) -> bool:
        """Whether the account holds one net position a symbol.

        True: an order against a position reduces, ends or turns it, and its bracket holds for what results.
        False: every order opens a position of its own, and positions are reduced or ended by `close` alone.
        """
        ...

    # ------------------------------------------------------------------------------------------------- time

    async def observe(self, symbol: str, bar: Bar) -> None:
        """Hear of a bar that has closed, before anything is decided on it.

        A simulated venue fills what was pending, fires stops and targets and marks the book; at a real one this
        happened without us, and the call does nothing. Bars come in order, each once.
        """
        ...

    # ------------------------------------------------------------------------------------------------ reads

    async def terms(self, symbol: str) -> TradingTerms:
        """Grids, sizes and state of a symbol now."""
        ...

    async def quote(self, symbol: str) -> PriceQuote:
        """Best prices now."""
        ...

    async def account(self) -> AccountSnapshot:
        """Money now."""
        ...

    async def state(self) -> BrokerState:
        """Everything that is open: positions with their stops and targets, and working orders.

        Raises:
            RetryableVenueError: also where positions and orders that belong together could not be read as of one
                moment.
        """
        ...

    async def find(self, strategy_id: str, since_ns: int) -> Sighting:
        """Look for `strategy_id` in positions, working orders and the history of orders.

        Args:
            strategy_id: as submitted.
            since_ns: no later than the moment at which it was submitted.

        Returns:
            What is to be seen now. Nothing seen is no proof that nothing is there: the caller asks again for some
            seconds, and goes on watching.
        """
        ...

    async def history(self, from_ns: int, to_ns: int) -> tuple[BrokerOrder, ...]:
        """Final orders created from `from_ns` to `to_ns`, oldest first, cancelled and rejected ones included."""
        ...

    async def fills(self, since_ns: int) -> tuple[BrokerFill, ...]:
        """Fills from `since_ns` on, oldest first.

        Some venues list only those of their current session: what is older is in `history`.
        """
        ...

    # ----------------------------------------------------------------------------------------------- writes

    async def submit(self, submission: Submission) -> WriteReply:
        """Send a market order, once.

        At a simulated venue it waits for the next bar's open and takes the place of an order that still waits.
        """
        ...

    async def amend(self, change: BracketChange) -> WriteReply:
        """Set stop and target of a position, once. Read them back: some venues say yes and drop them."""
        ...

    async def close(self, close: Close) -> WriteReply:
        """Order that a position be reduced or ended, once; it has happened when `state` shows it."""
        ...

    async def cancel(self, symbol: str, venue_order_id: str) -> WriteReply:
        """Withdraw a working order, once; one that was filled meanwhile is refused."""
        ...
