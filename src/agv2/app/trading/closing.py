"""The closing summary of a start: for a person in lines, for a program as JSON."""

from dataclasses import asdict
from typing import Any

from rich.console import Console

from agv2.app.trading.session import TradingOutcome
from agv2.app.trading.view import attribution_table, book_words

__all__ = ["outcome_json", "show_outcome"]


def show_outcome(outcome: TradingOutcome, console: Console | None = None) -> None:
    """Say how it ended, what it came to and where the money came from."""
    console, status = console or Console(), outcome.status
    console.print(
        f"{outcome.reason}: {status.n_bars} bars, {status.n_decisions} decisions, {status.n_orders} orders, "
        f"{status.n_fills} fills; {book_words(status)}",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    if status.attribution is not None:
        console.print(attribution_table(status))
    if status.switch.is_thrown:
        console.print(
            f"the kill switch is thrown ({status.switch.reason}); a person re-arms with agv2 rearm --reason '...'",
            style="bold red", highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
    console.print(f"journal: {outcome.journal}", highlight=False, markup=False, soft_wrap=True)


def outcome_json(outcome: TradingOutcome) -> dict[str, Any]:
    """The same for a program."""
    status = outcome.status
    book = status.book
    return {
        "mode": status.mode,
        "symbol": status.symbol,
        "timeframe": status.timeframe,
        "broker": status.broker,
        "ended": outcome.reason,
        "bars": status.n_bars,
        "decisions": status.n_decisions,
        "orders": status.n_orders,
        "fills": status.n_fills,
        "equity": None if book is None else book.cash + book.units * book.close_price,
        "units": None if book is None else book.units,
        "killed": status.switch.is_thrown,
        "doubt": status.doubt,
        "ramp": status.ramp,
        "attribution": None
        if status.attribution is None
        else asdict(status.attribution) | {"total": status.attribution.total},
        "journal": outcome.journal,
    }
