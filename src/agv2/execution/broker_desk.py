"""The desk over a broker and its executor: what the loop asks, in terms of what the venue shows."""

from collections.abc import Callable, Sequence

from agv2.core.account import Account, open_account
from agv2.core.bars import Bar
from agv2.core.errors import VenueError
from agv2.core.orders import NO_ORDER, Order
from agv2.decision.planner import Plan
from agv2.execution.broker_messages import BrokerFill, BrokerPosition
from agv2.execution.desk import DeskView, Flattened
from agv2.execution.execution_reports import ExecutionSettings, Pursuit, ReconcileReport, Target
from agv2.execution.journal import JournalReader
from agv2.execution.journal_records import FillSeen
from agv2.execution.order_executor import OrderExecutor
from agv2.execution.order_states import OrderState
from agv2.execution.order_track import IntentKind
from agv2.execution.ports import Broker
from agv2.execution.venue_book import observed_book
from agv2.risk.position_sizer import AccountView

__all__ = ["AT_SIMULATED_VENUE", "BrokerDesk"]

AT_SIMULATED_VENUE = ExecutionSettings(search_s=0.0, fewest_looks=1)
"""A simulated venue shows at once all that it ever took: one look settles what became of an order."""


class BrokerDesk:
    """One symbol's dealings through an `OrderExecutor`.

    Args:
        broker: the account.
        executor: its only writer.
        journal: what the executor writes to; fills are read back from it, whichever call found them.
        symbol: what is traded.
        last_book: of the last decision before a restart; None: none.
        kernel_book: the book where the venue is simulated: the kernel's own; None: it is made of what a venue shows.
    """

    def __init__(
        self,
        broker: Broker,
        executor: OrderExecutor,
        journal: JournalReader,
        symbol: str,
        last_book: Account | None = None,
        kernel_book: Callable[[], Account] | None = None,
    ) -> None:
        self._broker, self._executor, self._symbol = broker, executor, symbol
        self._kernel_book = kernel_book
        self._book = last_book
        self._opening: Order = NO_ORDER
        self._equity: float | None = None
        self._report: ReconcileReport | None = None
        self._journal, self._read_to = journal, journal.last_seq()

    @property
    def name(self) -> str:
        """The broker's."""
        return self._broker.name

    @property
    def halted_because(self) -> str | None:
        """Why the executor opens nothing until somebody re-arms; None where it would."""
        return self._executor.ledger.kill_reason

    async def start(self) -> str:
        """Settle what an earlier start left open; what cannot be settled is the doubt."""
        return await self.watch()

    async def observe(self, bar: Bar) -> DeskView:
        """Where things stand after `bar`."""
        await self._broker.observe(self._symbol, bar)
        doubt = await self.watch()
        book = self._book_after(bar)
        self._book = book
        value = self._equity if self._equity is not None else book.cash + book.units * bar.close
        return DeskView(book, self._account_view(value), self._new_fills(), doubt)

    async def watch(self) -> str:
        """Reconcile; the doubt is an order whose fate is unknown, or a venue that does not answer."""
        try:
            return self._noted(await self._executor.reconcile(), (await self._broker.account()).equity)
        except VenueError as error:
            return f"the venue cannot be read: {error}"

    async def move_stop(self, book: Account, decided_ns: int) -> str:
        """Have the venue hold the stop of `book`; empty for well."""
        self._book = book
        try:
            report = await self._executor.move_bracket(self._symbol, book.stop_loss, book.take_profit, decided_ns)
        except VenueError as error:
            return str(error)
        self._noted(report, self._equity)
        return ""

    async def carry_out(self, plan: Plan) -> str:
        """Send the order of `plan`, once, and return what became of it; empty where there is none."""
        if plan.order.order_id == 0:
            return ""
        if self._report is None:
            return f"{Pursuit.BLOCKED}: the venue could not be read since the start"
        counted_from = 0.0 if self._book is None else self._book.units
        if plan.side != 0 and plan.order.units != 0.0:
            self._opening = plan.order
        try:
            report = await self._executor.pursue(Target(self._symbol, plan.order, counted_from))
        except VenueError as error:
            return f"{Pursuit.BLOCKED}: {error}"
        return f"{report.outcome}: {report.reason}" if report.reason else str(report.outcome)

    async def is_carried_out(self, plan: Plan) -> bool:
        """Whether an order decided at the same bar was sent, or may have been."""
        may_show_late = self._kernel_book is None  # what was searched for in vain at a venue may be there all the same
        return any(
            track.decided_ns == plan.order.decided_ns and track.symbol == self._symbol
            and (track.state not in (OrderState.INTENDED, OrderState.ABSENT) or (track.is_given_up and may_show_late))
            for track in self._executor.ledger.tracks.values()
        )  # fmt: skip

    async def flatten(self) -> Flattened:
        """Close what is held and withdraw what is pending."""
        try:
            report = await self._executor.flatten(self._symbol)
        except VenueError as error:
            return Flattened(False, f"the venue cannot be reached: {error}")
        doubt = self._noted(report, self._equity)
        if any(position.symbol == self._symbol for position in report.ours):
            if self._kernel_book is not None:
                return Flattened(True, "ordered, fills at the next bar")
            return Flattened(False, "ordered, not gone yet")
        return Flattened(not doubt, doubt or "flat")

    async def kill(self, reason: str, by: str) -> None:
        """Open nothing until `rearm`."""
        await self._executor.kill(reason, by)

    async def rearm(self, reason: str, by: str) -> None:
        """Open positions again."""
        await self._executor.rearm(reason, by)

    # ---------------------------------------------------------------------------------------------- details

    def _noted(self, report: ReconcileReport, equity: float | None) -> str:
        self._report, self._equity = report, equity
        return f"in doubt: {', '.join(report.in_doubt)}" if report.in_doubt else ""

    def _new_fills(self) -> tuple[BrokerFill, ...]:
        """Fills that were written down since the last time."""
        found = []
        for entry in self._journal.entries(self._read_to, kinds=[FillSeen]):
            if isinstance(entry.record, FillSeen) and entry.record.fill.symbol == self._symbol:
                found.append(entry.record.fill)
        self._read_to = self._journal.last_seq()
        return tuple(found)

    def _book_after(self, bar: Bar) -> Account:
        if self._kernel_book is not None:
            return self._kernel_book()
        before, value = self._book, self._equity
        if value is None:  # the venue was never read: nothing is opened on this book
            return open_account(0.0, bar.close) if before is None else before._replace(close_price=bar.close)
        if before is None:
            before = open_account(value, bar.close)
            self._opening = self._order_behind() or self._opening
        return observed_book(before, self._positions(), value, bar, self._opening)

    def _positions(self) -> Sequence[BrokerPosition]:
        ours = () if self._report is None else self._report.ours
        return [position for position in ours if position.symbol == self._symbol]

    def _order_behind(self) -> Order | None:
        """The order that opened what is held, as the executor's ledger has it."""
        for position in self._positions():
            track = self._executor.ledger.opener_of(position)
            if track is not None and track.kind is IntentKind.OPEN:
                return Order(
                    track.order_id, track.units, track.stop_loss, track.take_profit, track.reason, track.decided_ns
                )  # fmt: skip
        return None

    def _account_view(self, value: float) -> AccountView:
        """The account around our position: whatever else is open in it counts, whoever opened it."""
        if self._report is None:
            return AccountView(value, 0.0, 0)
        ours, foreign = self._report.ours, self._report.foreign
        others = [*(each for each in ours if each.symbol != self._symbol), *foreign]
        notional = float(sum(abs(each.units) * each.entry_price for each in others))
        return AccountView(value, notional, len({each.symbol for each in others}))
