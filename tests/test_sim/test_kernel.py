"""Each rule of a bar, with the bar drawn: O open, H high, L low, C close, S stop, T target, x a fill."""

from typing import Any

import pytest

from agv2.core.account import Account, equity, open_account
from agv2.core.bars import Bar
from agv2.core.orders import NO_FILL, NO_ORDER, FillReason, Order
from agv2.sim.costs import Costs
from agv2.sim.kernel import BarResult, advance, close_out
from tests.factories import a_bar
from tests.tapes import ANY_LOT, FREE, costs

CASH = 10_000.0


def an_order(units: float, **changes: Any) -> Order:
    order = Order(order_id=7, units=units, stop_loss=0.0, take_profit=0.0, reason=FillReason.ENTRY.value, decided_ns=5)
    return order._replace(**changes)


def holding(units: float, *, entry: float = 100.0, stop: float = 0.0, target: float = 0.0) -> Account:
    book = open_account(CASH - units * entry, entry)
    return book._replace(
        units=units, entry_price=entry, initial_risk=abs(entry - stop) if stop else 0.0, stop_loss=stop,
        take_profit=target, bracket_order_id=3, bracket_decided_ns=2, bars_held=4,
    )  # fmt: skip


def after(book: Account, bar: Bar, order: Order = NO_ORDER, paid: Costs = FREE) -> BarResult:
    return advance(book, order, bar, paid, ANY_LOT)


def test_an_order_fills_at_the_open_worsened_by_half_spread_and_slippage() -> None:
    paid = costs(half_spread_frac=0.001, slippage_frac=0.0005, commission_frac=0.0001, commission_per_lot=0.25)
    bar = a_bar(open=100.0, close=100.5)
    bought, sold = after(open_account(CASH, 99.0), bar, an_order(2.0), paid), None
    fill = bought.market_fill
    assert (fill.side, fill.units, fill.mid) == (1, 2.0, 100.0)
    assert fill.price == pytest.approx(100.15)
    assert fill.commission == pytest.approx(2.0 * (100.15 * 0.0001 + 0.25))
    assert equity(bought.account) == pytest.approx(CASH + 2.0 * (100.5 - 100.15) - fill.commission)
    sold = after(open_account(CASH, 99.0), bar, an_order(-2.0), paid)
    assert sold.market_fill.price == pytest.approx(99.85)


def test_the_bars_own_spread_is_charged_where_it_is_known() -> None:
    paid = costs(half_spread_frac=0.01, spread_source=1)
    assert after(open_account(CASH, 100.0), a_bar(spread=0.4), an_order(1.0), paid).market_fill.price == 100.2
    unknown = a_bar(spread=float("nan"))
    assert after(open_account(CASH, 100.0), unknown, an_order(1.0), paid).market_fill.price == pytest.approx(101.0)


def test_stop_fills_at_the_stop_when_the_range_reaches_it() -> None:
    """H 101
    O 100 ┤
          │
    S  97 x
          L 96        C 98
    """
    step = after(holding(2.0, stop=97.0), a_bar(low=96.0, close=98.0), paid=costs(half_spread_frac=0.001))
    fill = step.bracket_fill
    assert (fill.reason, fill.side, fill.units, fill.mid) == (FillReason.STOP_LOSS, -1, 2.0, 97.0)
    assert fill.price == pytest.approx(97.0 * 0.999)
    assert (fill.order_id, fill.decided_ns) == (3, 2), "those that set the bracket"
    assert step.account.units == 0.0
    assert equity(step.account) == pytest.approx(CASH - 2.0 * (100.0 - 97.0 * 0.999))


def test_stop_fills_at_the_open_when_price_gaps_through_it() -> None:
    """
    S  97 ┈┈┈┈┈┈┈┈
              gap
    O  95 x───┐
              L 94
    """
    bar = a_bar(open=95.0, high=96.0, low=94.0, close=95.5)
    fill = after(holding(2.0, stop=97.0), bar, paid=costs(slippage_frac=0.001)).bracket_fill
    assert fill.mid == 95.0
    assert fill.price == pytest.approx(95.0 * 0.999)


def test_a_shorts_stop_is_the_mirror_image() -> None:
    """
    S 103 x
    O 100 ┤  H 104
    """
    fill = after(holding(-2.0, stop=103.0), a_bar(high=104.0), paid=costs(half_spread_frac=0.001)).bracket_fill
    assert (fill.side, fill.mid) == (1, 103.0)
    assert fill.price == pytest.approx(103.0 * 1.001)
    gapped = a_bar(open=105.0, high=106.0, low=104.0, close=105.0)
    assert after(holding(-2.0, stop=103.0), gapped).bracket_fill.mid == 105.0


def test_the_stop_came_first_when_one_bar_touches_both() -> None:
    """
    T 105 ┈┈ H 106
    O 100 ┤
    S  97 x  L 96
    """
    fill = after(holding(1.0, stop=97.0, target=105.0), a_bar(high=106.0, low=96.0)).bracket_fill
    assert (fill.reason, fill.mid) == (FillReason.STOP_LOSS, 97.0)


def test_a_bar_that_opens_beyond_the_target_takes_it_before_its_range_reaches_the_stop() -> None:
    """
    O 107 x─┐        the open is known first
    T 105 ┈ │
    S  97 ┈ L 96
    """
    bar = a_bar(open=107.0, high=107.5, low=96.0, close=98.0)
    fill = after(holding(1.0, stop=97.0, target=105.0), bar).bracket_fill
    assert (fill.reason, fill.price) == (FillReason.TAKE_PROFIT, 105.0)


def test_a_longs_target_needs_the_bid_and_fills_at_its_price_without_slippage() -> None:
    """
                 H 105.3  the mid that makes the bid 105 is 105 / 0.999 = 105.105
    T 105 ┈┈ x ┈┈
    """
    paid = costs(half_spread_frac=0.001, slippage_frac=0.01)
    fill = after(holding(1.0, target=105.0), a_bar(high=105.3), paid=paid).bracket_fill
    assert fill.price == 105.0
    assert fill.mid == pytest.approx(105.0 / 0.999)
    not_quite = a_bar(high=105.1)  # the mid touched the target, the bid did not
    assert after(holding(1.0, target=105.0), not_quite, paid=paid).bracket_fill == NO_FILL


def test_a_shorts_target_needs_the_ask() -> None:
    """
    T  95 ┈┈ x ┈┈
                 L 94.8
    """
    paid = costs(half_spread_frac=0.001)
    fill = after(holding(-1.0, target=95.0), a_bar(low=94.8), paid=paid).bracket_fill
    assert (fill.side, fill.price) == (1, 95.0)
    assert fill.mid == pytest.approx(95.0 / 1.001)
    assert after(holding(-1.0, target=95.0), a_bar(low=94.95), paid=paid).bracket_fill == NO_FILL


def test_a_gap_past_the_target_fills_at_the_target_with_mid_inside_the_bar() -> None:
    """
        L 106 ┐   the whole bar lies above: the mid moves to its low, no further
    T 105 ┈┈┈ x
    """
    bar = a_bar(open=107.0, high=108.0, low=106.0, close=107.0)
    fill = after(holding(1.0, target=105.0), bar).bracket_fill
    assert (fill.price, fill.mid) == (105.0, 106.0)


def test_an_entry_can_be_stopped_out_in_its_own_bar() -> None:
    """
    O 100 x  bought
    S  98 x  sold      L 97
    """
    step = after(open_account(CASH, 100.0), a_bar(low=97.0, close=98.5), an_order(1.0, stop_loss=98.0))
    assert (step.market_fill.price, step.bracket_fill.price) == (100.0, 98.0)
    assert step.bracket_fill.decided_ns == step.market_fill.decided_ns == 5
    assert step.account.units == 0.0


def test_a_reversal_is_one_fill_that_voids_the_old_bracket() -> None:
    """Long 2 with S 99, turned to short 1 at O 100; L 98.5 would have hit the old stop, H 104 hits nothing."""
    order = an_order(-3.0, stop_loss=110.0, take_profit=90.0, reason=FillReason.REVERSE.value)
    step = after(holding(2.0, stop=99.0), a_bar(high=104.0, low=98.5), order)
    assert (step.market_fill.units, step.market_fill.side) == (3.0, -1)
    assert step.bracket_fill == NO_FILL
    book = step.account
    assert (book.units, book.stop_loss, book.take_profit) == (-1.0, 110.0, 90.0)
    assert (book.entry_price, book.initial_risk, book.bars_held) == (100.0, 10.0, 1)


def test_an_exit_at_the_open_escapes_the_stop_of_the_same_bar() -> None:
    step = after(holding(2.0, stop=99.0), a_bar(low=90.0), an_order(-2.0, reason=FillReason.EXIT.value))
    assert step.market_fill.price == 100.0
    assert step.bracket_fill == NO_FILL
    assert step.account.stop_loss == 0.0


def test_what_a_participation_cap_leaves_unfilled_carries_to_the_next_open() -> None:
    paid = costs(participation_cap=0.1)
    first = after(open_account(CASH, 100.0), a_bar(volume=20.0), an_order(5.0, stop_loss=90.0), paid)
    assert first.market_fill.units == pytest.approx(2.0)
    assert first.account.pending.units == pytest.approx(3.0)
    assert first.account.stop_loss == 90.0, "the bracket is set at the first fill"
    second = after(first.account, a_bar(open=104.0, high=105.0, volume=1000.0), NO_ORDER, paid)
    assert (second.market_fill.units, second.market_fill.price) == pytest.approx((3.0, 104.0))
    assert (second.market_fill.order_id, second.market_fill.decided_ns) == (7, 5)
    assert second.account.entry_price == pytest.approx((2.0 * 100.0 + 3.0 * 104.0) / 5.0)
    assert second.account.pending == NO_ORDER


def test_what_a_participation_cap_leaves_unfilled_is_withdrawn_where_so_configured() -> None:
    paid = costs(participation_cap=0.1, carry_partial=False)
    step = after(open_account(CASH, 100.0), a_bar(volume=20.0), an_order(5.0), paid)
    assert step.account.units == pytest.approx(2.0)
    assert step.account.pending == NO_ORDER


def test_a_bar_without_volume_fills_nothing_under_a_cap_and_everything_if_volume_is_unknown() -> None:
    paid = costs(participation_cap=0.1)
    assert after(open_account(CASH, 100.0), a_bar(volume=0.0), an_order(5.0), paid).market_fill == NO_FILL
    assert after(open_account(CASH, 100.0), a_bar(volume=float("nan")), an_order(5.0), paid).market_fill.units == 5.0


def test_a_stop_out_cancels_the_rest_of_a_partial_entry() -> None:
    paid = costs(participation_cap=0.1)
    step = after(open_account(CASH, 100.0), a_bar(volume=20.0, low=80.0), an_order(5.0, stop_loss=90.0), paid)
    assert step.account.units == 0.0
    assert step.account.pending == NO_ORDER


def test_latency_lets_opens_pass() -> None:
    paid = costs(latency_bars=2)
    book = open_account(CASH, 100.0)
    opens = []
    for opened, order in ((101.0, an_order(1.0)), (102.0, NO_ORDER), (103.0, NO_ORDER), (104.0, NO_ORDER)):
        step = after(book, a_bar(open=opened, high=105.0), order, paid)
        book = step.account
        opens += [step.market_fill.mid] if step.market_fill.units else []
    assert opens == [103.0]


def test_a_new_order_replaces_the_pending_one_and_waits_anew() -> None:
    paid = costs(latency_bars=1)
    book = after(open_account(CASH, 100.0), a_bar(), an_order(1.0), paid).account
    book = after(book, a_bar(), an_order(4.0, order_id=8), paid).account
    assert (book.units, book.pending.order_id) == (0.0, 8)
    assert after(book, a_bar(), NO_ORDER, paid).market_fill.units == 4.0


def test_an_order_of_no_units_withdraws_what_is_pending() -> None:
    paid = costs(latency_bars=5)
    book = after(open_account(CASH, 100.0), a_bar(), an_order(1.0), paid).account
    assert after(book, a_bar(), an_order(0.0, order_id=8), paid).account.pending == NO_ORDER


@pytest.mark.parametrize(("units", "paid"), [(2.0, 2.0 * 100.0 * 0.001), (-2.0, -2.0 * 100.0 * 0.0002)])
def test_financing_is_the_open_notional_times_the_nights(units: float, paid: float) -> None:
    rates = costs(financing_long_frac_per_night=0.001, financing_short_frac_per_night=-0.0002)
    for nights in (0.0, 1.0, 3.0):
        step = after(holding(units), a_bar(nights=nights), paid=rates)
        assert step.financing == pytest.approx(nights * paid)
        assert step.account.cash == pytest.approx(holding(units).cash - nights * paid)


def test_a_position_that_opens_after_the_night_pays_nothing_for_it() -> None:
    rates = costs(financing_long_frac_per_night=0.001)
    assert after(open_account(CASH, 100.0), a_bar(nights=3.0), an_order(1.0), rates).financing == 0.0


def test_bars_held_and_bars_flat_count() -> None:
    book = after(open_account(CASH, 100.0), a_bar(), an_order(1.0)).account
    assert book.bars_held == 1
    book = after(book, a_bar()).account
    assert book.bars_held == 2
    book = after(book, a_bar(), an_order(-1.0)).account
    assert (book.bars_held, book.bars_flat) == (0, 1)


def test_close_out_sells_at_the_close_with_costs_and_drops_what_is_pending() -> None:
    paid = costs(half_spread_frac=0.001, slippage_frac=0.001, commission_per_lot=1.0)
    book = holding(2.0)._replace(pending=an_order(1.0))
    step = close_out(book, a_bar(close=110.0), 9, 8, paid, ANY_LOT)
    fill = step.market_fill
    assert (fill.reason, fill.side, fill.units, fill.mid, fill.order_id) == (FillReason.END, -1, 2.0, 110.0, 9)
    assert fill.price == pytest.approx(110.0 * 0.998)
    assert step.account.pending == NO_ORDER
    assert step.account.cash == pytest.approx(CASH + 2.0 * (110.0 * 0.998 - 100.0) - 2.0)


def test_a_reversal_that_a_cap_stops_at_flat_withdraws_its_rest() -> None:
    """Any fill that closes a position cancels what is left of the order: +10, then -20 of which 10 fill."""
    capped = costs(participation_cap=0.1)
    result = after(holding(10.0), a_bar(volume=100.0), an_order(-20.0), paid=capped)
    assert result.market_fill.units == 10.0
    assert (result.account.units, result.account.pending) == (0.0, NO_ORDER)
