"""Journals of traders that never ran: bars, limits and decisions, day by day, as a trader would have written them."""

from pathlib import Path
from typing import Any

from agv2.core.account import Account, open_account
from agv2.core.orders import NO_ORDER, FillReason, Order
from agv2.core.timeframes import Timeframe
from agv2.decision.actions import Action
from agv2.decision.planner import Plan, PlanReason
from agv2.execution.journal import Journal
from agv2.execution.journal_records import BarSeen, DecisionMade, JournalRecord, RiskSaved, Started
from agv2.risk.limits import RiskState, fresh_risk_state
from agv2.utils.clock import ReplayClock
from tests.factories import a_bar

__all__ = ["FIRST_DAY", "WrittenTrader"]

FIRST_DAY = 20_514
"""2026-03-02, a Monday, in days since 1970."""
_NS_PER_DAY = 86_400_000_000_000


class WrittenTrader:
    """Writes a journal.

    Args:
        path: of the journal.
        mode: paper or live.
        timeframe: of the bars.
        symbol: traded.
    """

    def __init__(self, path: Path, *, mode: str = "paper", timeframe: str = "12h", symbol: str = "TREND") -> None:
        self.clock = ReplayClock(FIRST_DAY * _NS_PER_DAY)
        self.journal = Journal(path, clock=self.clock)
        self.mode, self.symbol, self.timeframe = mode, symbol, Timeframe.parse(timeframe)
        self.day, self.equity, self.number = FIRST_DAY, 100_000.0, 0

    def write(self, *records: JournalRecord) -> None:
        self.journal.append(*records)

    def start(self, bundle: str = "b0b", **settings: Any) -> None:
        usual: dict[str, Any] = {"broker": "sim", "feed": None, "bundle": "somewhere"}
        self.write(Started(self.mode, "sim", (self.symbol,), "0", "", bundle, usual | settings))

    def live_day(
        self,
        day_return: float = 0.0,
        *,
        n_decided: int | None = None,
        held_back: str = "",
        share: float = 1.0,
        opens: bool = True,
        late_s: float = 1.0,
        after_bar: tuple[JournalRecord, ...] = (),
    ) -> None:
        """A day whose return comes with its last bar.

        Args:
            day_return: of the account.
            n_decided: of its bars; None: all.
            held_back: what a halt left of the wishes.
            share: that the ramp allowed.
            opens: whether each decision opens a position.
            late_s: seconds from a bar's close to the decision.
            after_bar: written after the first bar's decision.
        """
        n_bars = 1440 // self.timeframe.minutes
        for row in range(n_bars):
            ts_ns = self.day * _NS_PER_DAY + row * self.timeframe.nanoseconds
            if row == n_bars - 1:
                self.equity *= 1.0 + day_return
            self.clock.sleep_until(ts_ns + self.timeframe.nanoseconds + round(late_s * 1e9))
            bar = a_bar(ts_ns=ts_ns, day=self.day)
            records: list[JournalRecord] = [
                BarSeen(self.symbol, self.timeframe.name, bar),
                RiskSaved("sim", ts_ns, self.risk()),
            ]
            if n_decided is None or row < n_decided:
                records.append(self.decision(ts_ns, held_back, share, opens=opens))
            self.write(*records)
            if row == 0 and after_bar:
                self.write(*after_bar)
        self.day += 1

    def risk(self) -> RiskState:
        return fresh_risk_state(self.equity, self.day)

    def decision(
        self, ts_ns: int, held_back: str = "", share: float = 1.0, *, opens: bool = True, book: Account | None = None
    ) -> DecisionMade:
        self.number += 1
        order = Order(self.number, 1.0, 90.0, 0.0, FillReason.ENTRY.value, ts_ns) if opens else NO_ORDER
        plan = Plan(order, 1 if opens else 0, 90.0, 0.0, order.units, order.units, PlanReason.AS_WISHED.value)
        return DecisionMade(
            self.symbol, ts_ns, "ab" * 32, Action(1, 0.5, 1.5, 3.0), plan, 0.5, 0.0,
            book or open_account(self.equity, 100.0), self.number, held_back, "", share,
        )  # fmt: skip
