from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.core.account import Account, open_account
from agv2.core.orders import NO_FILL, NO_ORDER, FillReason, Order
from agv2.risk.stop_logic import trailed_stop
from agv2.risk.trailing import with_trailed_stop
from agv2.sim.kernel import advance
from tests.factories import START_NS, a_bar
from tests.tapes import ANY_LOT, FREE, limits

HOUR_NS = 3_600_000_000_000
PARAMS = limits(trailing_units=3.0)
SIGMA = 0.01  # a unit is 1 at a close of 100


def long_book(**changes: Any) -> Account:
    """Two units bought at 100 at the first bar, stop 98, target 110, both set a bar before."""
    book = open_account(10_000.0 - 200.0, 100.0)._replace(
        units=2.0, entry_price=100.0, initial_risk=2.0, stop_loss=98.0, take_profit=110.0, bracket_order_id=1,
        bracket_decided_ns=START_NS - HOUR_NS, target_decided_ns=START_NS - HOUR_NS, bars_held=1,
    )  # fmt: skip
    return book._replace(**changes)


def mirrored(book: Account) -> Account:
    return book._replace(units=-book.units, cash=10_000.0 + 200.0, stop_loss=102.0, take_profit=90.0)


def trailed(book: Account, *closes: float, **market: Any) -> list[Account]:
    books = []
    for number, close in enumerate(closes):
        bar = a_bar(ts_ns=START_NS + number * HOUR_NS, close=close)
        book = with_trailed_stop(book, bar, SIGMA, PARAMS, ANY_LOT._replace(**market))
        books.append(book)
    return books


def test_the_stop_hangs_three_units_below_the_best_close() -> None:
    """
    close   100    101.5   104      103      106
    band     97     98.46  100.88    99.91   102.82
    stop     98     98.46  100.88   100.88   102.82
    """
    books = trailed(long_book(), 100.0, 101.5, 104.0, 103.0, 106.0)
    assert [book.stop_loss for book in books] == pytest.approx([98.0, 98.455, 100.88, 100.88, 102.82])
    assert [book.trailed for book in books] == [False, True, True, True, True]
    set_at = [(book.bracket_decided_ns - START_NS) // HOUR_NS for book in books]
    assert set_at == [-1, 1, 2, 2, 4], "the bar at whose close the stop in force was set"
    last = books[-1]
    assert (last.take_profit, last.target_decided_ns) == (110.0, START_NS - HOUR_NS), "the target is the entry's"
    assert (last.initial_risk, last.entry_price, last.bracket_order_id) == (2.0, 100.0, 1), "R stays that of the entry"


def test_a_short_is_the_mirror() -> None:
    books = trailed(mirrored(long_book()), 100.0, 98.5, 96.0, 97.0)
    assert [book.stop_loss for book in books] == pytest.approx([102.0, 101.455, 98.88, 98.88])


def test_the_moved_stop_is_in_force_from_the_next_bar_on() -> None:
    """The bar that moves the stop to 100.88 itself went down to 99: that is past, the next one's low is not."""
    bar = a_bar(open=100.0, high=104.5, low=99.0, close=104.0)
    step = advance(long_book(), NO_ORDER, bar, FREE, ANY_LOT)
    assert step.bracket_fill == NO_FILL
    (book,) = trailed(step.account, 104.0)
    following = a_bar(ts_ns=START_NS + HOUR_NS, open=103.0, high=103.0, low=100.0, close=102.0)
    fill = advance(book, NO_ORDER, following, FREE, ANY_LOT).bracket_fill
    assert (fill.reason, fill.decided_ns) == (FillReason.TRAILING, START_NS)
    assert fill.price == pytest.approx(100.88)


def test_a_target_that_fills_after_the_stop_has_moved_was_set_at_the_entry() -> None:
    (book,) = trailed(long_book(), 104.0)
    soaring = a_bar(ts_ns=START_NS + HOUR_NS, open=105.0, high=111.0, low=104.0, close=109.0)
    fill = advance(book, NO_ORDER, soaring, FREE, ANY_LOT).bracket_fill
    assert (fill.reason, fill.decided_ns) == (FillReason.TAKE_PROFIT, START_NS - HOUR_NS)


def test_a_pending_order_waits_while_the_stop_follows() -> None:
    leaving = Order(4, -2.0, 0.0, 0.0, FillReason.EXIT.value, START_NS)
    (book,) = trailed(long_book(pending=leaving, wait_bars=2), 104.0)
    assert book.stop_loss == pytest.approx(100.88)
    assert (book.pending, book.wait_bars) == (leaving, 2)


def test_a_pending_entry_keeps_its_own_stop_until_it_fills() -> None:
    entering = Order(4, 2.0, 98.0, 110.0, FillReason.ENTRY.value, START_NS)
    flat = open_account(10_000.0, 100.0)._replace(pending=entering, wait_bars=1)
    assert trailed(flat, 104.0) == [flat]


def test_off_no_stop_and_flat_are_left_alone() -> None:
    bar, book = a_bar(close=120.0), long_book()
    assert with_trailed_stop(book, bar, SIGMA, limits(trailing_units=0.0), ANY_LOT) == book
    bare = long_book(stop_loss=0.0)
    assert with_trailed_stop(bare, bar, SIGMA, PARAMS, ANY_LOT) == bare


def test_the_stop_moves_along_the_tick_grid() -> None:
    assert trailed(long_book(), 104.1, tick_size=0.5)[0].stop_loss == 101.0
    assert trailed(long_book(stop_loss=101.0), 104.0, tick_size=0.5)[0].trailed is False


trailed_stop(1, 99.0, 100.0, 0.01, 3.0, 0.0)  # compiled before a deadline runs


@settings(deadline=None)
@given(
    st.sampled_from([-1, 1]),
    st.floats(1.0, 1e5),
    st.floats(-0.5, 2.0),
    st.floats(1e-5, 0.3),
    st.floats(0.1, 10.0),
    st.sampled_from([0.0, 0.01, 0.25]),
)
def test_a_stop_never_loosens_and_never_crosses_the_close(
    side: int, close: float, away: float, volatility: float, multiple: float, tick: float
) -> None:
    current = close * (1.0 - side * away) if side * away < 0.99 else 0.01 * close
    moved = trailed_stop(side, current, close, volatility, multiple, tick)
    assert side * (moved - current) >= 0.0
    assert side * (close - moved) > 0.0 or moved == current
