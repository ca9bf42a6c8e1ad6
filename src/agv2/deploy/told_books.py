"""What callers last said that the account holds; in memory, so that nothing is known before the first question."""

from typing import NamedTuple

from agv2.deploy.messages import DecideIn

__all__ = ["Holding", "ToldBooks"]


class Holding(NamedTuple):
    """One symbol's position after the newest bar that was told of it."""

    symbol: str
    bar_ts: int
    """Open time of that bar, Unix seconds."""
    close: float
    units: float
    """Signed base units; 0: flat."""
    entry_price: float
    stop_loss: float
    """0: none."""
    take_profit: float
    bars_held: int

    @property
    def open_pnl(self) -> float:
        """Value won or lost since the entry, quote currency; 0 where the entry was not told."""
        return self.units * (self.close - self.entry_price) if self.entry_price > 0.0 else 0.0


class Used(NamedTuple):
    """How much of the account is at work, as the newest question told it."""

    exposure: float
    """Gross notional over equity."""
    positions: int


class ToldBooks:
    """One account's books by symbol."""

    def __init__(self) -> None:
        self._holdings: dict[str, Holding] = {}
        self._used: Used | None = None
        self._until = 0

    def remember(self, asked: DecideIn) -> None:
        """Keep what a question says; one about an older bar than known of its symbol changes nothing."""
        book, bar_ts, close = asked.book, asked.bars.ts[-1], asked.bars.close[-1]
        known = self._holdings.get(asked.symbol)
        if known is not None and bar_ts < known.bar_ts:
            return
        self._holdings[asked.symbol] = Holding(
            symbol=asked.symbol,
            bar_ts=bar_ts,
            close=close,
            units=book.units,
            entry_price=book.entry_price,
            stop_loss=book.stop_loss,
            take_profit=book.take_profit,
            bars_held=book.bars_held,
        )
        if bar_ts < self._until:
            return
        self._until, notional, held = bar_ts, abs(book.units) * close, int(book.units != 0.0)
        equity, others = book.cash + book.units * close, 0
        if asked.account is not None:
            equity, others = asked.account.equity, asked.account.other_positions
            notional += asked.account.other_notional
        self._used = Used(notional / equity, held + others) if equity > 0.0 else None

    def holdings(self) -> tuple[Holding, ...] | None:
        """Symbols told so far, flat ones too, by name; None: nobody has told anything yet."""
        return tuple(sorted(self._holdings.values())) if self._holdings else None

    @property
    def used(self) -> Used | None:
        """None where it is not known, or there is no equity to measure by."""
        return self._used
