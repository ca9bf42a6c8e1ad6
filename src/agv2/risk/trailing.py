"""A stop that follows the price, as part of the book's state."""

from agv2.core.account import Account
from agv2.core.bars import Bar
from agv2.core.instruments import Market
from agv2.core.jit import kernel
from agv2.risk.config import RiskParams
from agv2.risk.stop_logic import trailed_stop

__all__ = ["with_trailed_stop"]


@kernel
def with_trailed_stop(book: Account, bar: Bar, volatility: float, params: RiskParams, market: Market) -> Account:
    """The book with its stop moved after the close of `bar`; in force from the next bar on.

    Neither a pending order nor a halt keeps a stop from following: what is held is protected until it is gone. The
    target stays where it is. Live, the moved stop is what the venue's is amended to.

    Args:
        book: the account after `bar`.
        bar: the bar that has just closed.
        volatility: causal per-bar volatility at `bar`, log return, > 0.
        params: `trailing_units`; 0 leaves every stop alone.
        market: tick grid.

    Known at: the close of `bar`.
    """
    if params.trailing_units == 0.0 or book.units == 0.0 or book.stop_loss == 0.0:
        return book
    side = 1 if book.units > 0.0 else -1
    stop_loss = trailed_stop(side, book.stop_loss, bar.close, volatility, params.trailing_units, market.tick_size)
    if stop_loss == book.stop_loss:
        return book
    return Account(
        book.cash, book.units, book.close_price, book.entry_price, book.initial_risk, stop_loss, book.take_profit,
        book.bracket_order_id, bar.ts_ns, book.target_decided_ns, True, book.bars_held, book.bars_flat, book.pending,
        book.wait_bars,
    )  # fmt: skip
