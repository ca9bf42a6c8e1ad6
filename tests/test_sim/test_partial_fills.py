"""Orders that fill in parts, open by open: O an open, x a fill."""

import pytest

from agv2.core.account import Account, open_account
from agv2.core.orders import NO_FILL, NO_ORDER, Fill, FillReason, Order
from agv2.sim.costs import Costs
from agv2.sim.kernel import advance
from tests.factories import a_bar
from tests.tapes import ANY_LOT, costs

TENTHS = ANY_LOT._replace(lot_step=0.1, min_lot=0.1)
BUY = Order(order_id=7, units=3.0, stop_loss=90.0, take_profit=0.0, reason=FillReason.ENTRY.value, decided_ns=5)


def filled(book: Account, order: Order, paid: Costs, n_bars: int, volume: float = 1.0) -> tuple[Account, list[Fill]]:
    """The book after `n_bars` quiet bars, and every fill on the way."""
    fills = []
    for _ in range(n_bars):
        step = advance(book, order, a_bar(volume=volume), paid, TENTHS)
        book, order = step.account, NO_ORDER
        fills += [step.market_fill] if step.market_fill.units > 0.0 else []
    return book, fills


def test_an_open_fills_no_more_than_its_share_of_the_order() -> None:
    """
    wanted 3.0      O x 1.5
    left   1.5      O x 0.7   half of what is left, down to whole lots
    left   0.8      O x 0.4 …
    """
    book, fills = filled(open_account(1e4, 100.0), BUY, costs(fill_frac=0.5), 3)
    assert [fill.units for fill in fills] == pytest.approx([1.5, 0.7, 0.4])
    assert {(fill.order_id, fill.decided_ns) for fill in fills} == {(7, 5)}
    assert book.pending.units == pytest.approx(0.4)


def test_a_share_below_the_smallest_lot_fills_the_order_whole() -> None:
    """
    left 0.1        O x 0.1   a tenth of a lot cannot be halved
    """
    book, fills = filled(open_account(1e4, 100.0), BUY, costs(fill_frac=0.5), 20)
    assert [round(fill.units, 9) for fill in fills] == [1.5, 0.7, 0.4, 0.2, 0.1, 0.1]
    assert book.units == pytest.approx(3.0)
    assert book.pending == NO_ORDER


def test_a_share_of_one_is_the_whole_order() -> None:
    assert [fill.units for fill in filled(open_account(1e4, 100.0), BUY, costs(), 2)[1]] == [3.0]


def test_what_a_share_leaves_is_withdrawn_where_so_configured() -> None:
    book, fills = filled(open_account(1e4, 100.0), BUY, costs(fill_frac=0.5, carry_partial=False), 5)
    assert [fill.units for fill in fills] == [1.5]
    assert book.pending == NO_ORDER


def test_the_smaller_of_share_and_cap_fills() -> None:
    for volume, units in ((4.0, 0.4), (100.0, 1.5)):
        paid = costs(fill_frac=0.5, participation_cap=0.1)
        assert filled(open_account(1e4, 100.0), BUY, paid, 1, volume)[1][0].units == pytest.approx(units)


def test_a_position_filled_in_parts_is_left_without_a_trace() -> None:
    """
    0.3 bought      O x 0.1   O x 0.1   O x 0.1
    0.3 sold        O x 0.1   O x 0.1   O x 0.1   and no fourth fill of the 5.6e-17 that floats leave
    """
    paid = costs(participation_cap=0.1)
    book, bought = filled(open_account(1e4, 100.0), BUY._replace(units=3 * 0.1), paid, 5)
    assert [fill.units for fill in bought] == pytest.approx([0.1] * 3, rel=1e-12)
    assert book.pending == NO_ORDER
    leave = Order(8, -book.units, 0.0, 0.0, FillReason.EXIT.value, 6)
    book, fills = filled(book, leave, paid, 5)
    assert [fill.units for fill in fills] == pytest.approx([0.1] * 3, rel=1e-12)
    assert (book.units, book.pending, book.bars_flat) == (0.0, NO_ORDER, 3)


def test_a_reversal_filled_in_parts_ends_where_it_crosses_nothing() -> None:
    """
    long 0.3, sell 0.5     O x 0.1   O x 0.1   O x 0.1 → flat: a closing fill withdraws the rest, though
                                               0.3 - 0.1 - 0.1 - 0.1 is -2.8e-17, which looks short
    """
    book = open_account(9_970.0, 100.0)._replace(units=0.3, entry_price=100.0, stop_loss=90.0)
    turn = Order(8, -0.5, 110.0, 0.0, FillReason.REVERSE.value, 6)
    book, fills = filled(book, turn, costs(participation_cap=0.1), 5)
    assert [fill.units for fill in fills] == pytest.approx([0.1] * 3)
    assert (book.units, book.pending) == (0.0, NO_ORDER)


def test_a_partial_exit_keeps_the_bracket_of_what_is_left() -> None:
    """
    long 2, sell 2 of which 1 fills      O 100 x 1
    the other is still protected         S  97 x 1     L 96
    """
    book = open_account(9_800.0, 100.0)._replace(
        units=2.0, entry_price=100.0, stop_loss=97.0, bracket_order_id=3, bracket_decided_ns=2
    )
    leave = Order(8, -2.0, 0.0, 0.0, FillReason.EXIT.value, 6)
    step = advance(book, leave, a_bar(low=96.0), costs(fill_frac=0.5), TENTHS)
    assert (step.market_fill.units, step.market_fill.order_id) == (1.0, 8)
    assert (step.bracket_fill.units, step.bracket_fill.mid, step.bracket_fill.order_id) == (1.0, 97.0, 3)
    assert step.account.pending == NO_ORDER, "what closes a position withdraws the rest"


def test_a_partial_reversal_has_its_new_bracket_from_the_fill_that_turns() -> None:
    """
    long 1, sell 3: first open fills 1.5 and turns → S 110 from that bar on, H 111
    """
    book = open_account(9_900.0, 100.0)._replace(units=1.0, entry_price=100.0, stop_loss=97.0)
    turn = Order(8, -3.0, 110.0, 80.0, FillReason.REVERSE.value, 6)
    step = advance(book, turn, a_bar(high=111.0), costs(fill_frac=0.5), TENTHS)
    assert (step.market_fill.units, step.bracket_fill.units, step.bracket_fill.mid) == (1.5, 0.5, 110.0)
    assert step.account.pending == NO_ORDER


def test_latency_comes_before_parts() -> None:
    """
    O wait   O x 1.5   O x 0.7 …   the rest waits for no further latency
    """
    book, order = open_account(1e4, 100.0), BUY
    seen = []
    for _ in range(3):
        step = advance(book, order, a_bar(), costs(fill_frac=0.5, latency_bars=1), TENTHS)
        book, order = step.account, NO_ORDER
        seen.append(step.market_fill if step.market_fill.units else NO_FILL)
    assert [fill.units for fill in seen] == pytest.approx([0.0, 1.5, 0.7])
