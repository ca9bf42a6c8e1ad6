"""What comes first within a bar, drawn: O open, H high, L low, S stop, T target, x a fill."""

import pytest

from agv2.core.account import Account, equity, open_account
from agv2.core.orders import NO_FILL, NO_ORDER, Fill, FillReason, Order
from agv2.sim.config import CostsConfig
from agv2.sim.kernel import advance
from agv2.utils.config import load_config
from tests.factories import a_bar
from tests.tapes import ANY_LOT, FREE, costs

BUY = Order(order_id=7, units=5.0, stop_loss=95.0, take_profit=110.0, reason=FillReason.ENTRY.value, decided_ns=5)
LEAVE = Order(order_id=8, units=-2.0, stop_loss=0.0, take_profit=0.0, reason=FillReason.EXIT.value, decided_ns=6)


def long_two(stop: float = 0.0, target: float = 0.0) -> Account:
    return open_account(9_800.0, 100.0)._replace(
        units=2.0, entry_price=100.0, stop_loss=stop, take_profit=target, bracket_order_id=3, bracket_decided_ns=2
    )


def of(fill: Fill) -> tuple[int, float, float, float]:
    return fill.reason, fill.units, fill.price, fill.mid


def test_the_night_is_paid_before_the_exit_at_the_same_open() -> None:
    """
    night   ┈┈┈ 2 × 98 × 0.1 %
    O  98 x     and only then sold
    """
    rates = costs(financing_long_frac_per_night=0.001)
    step = advance(long_two(), LEAVE, a_bar(open=98.0, low=97.0, nights=1.0), rates, ANY_LOT)
    assert step.financing == pytest.approx(2.0 * 98.0 * 0.001)
    assert step.account.cash == pytest.approx(9_800.0 - step.financing + 2.0 * 98.0)


def test_an_exit_at_a_gapped_open_is_an_exit_and_no_stop() -> None:
    """
    S  97 ┈┈┈┈
    O  95 x     the pending order comes first
    """
    step = advance(long_two(stop=97.0), LEAVE, a_bar(open=95.0, high=96.0, low=94.0, close=95.0), FREE, ANY_LOT)
    assert of(step.market_fill) == (FillReason.EXIT, 2.0, 95.0, 95.0)
    assert step.bracket_fill == NO_FILL


def test_an_entry_beyond_its_own_stop_is_closed_at_the_same_open() -> None:
    """
    S  95 ┈┈┈┈
    O  93 x x   bought, and the gap through the bracket comes next
    """
    step = advance(
        open_account(1e4, 100.0), BUY, a_bar(open=93.0, high=99.0, low=92.0), costs(slippage_frac=0.001), ANY_LOT
    )
    assert step.market_fill.price == pytest.approx(93.0 * 1.001)
    assert of(step.bracket_fill) == (FillReason.STOP_LOSS, 5.0, 93.0 * (1.0 - 0.001), 93.0)
    assert step.bracket_fill.decided_ns == 5


@pytest.mark.parametrize(
    ("low", "high", "reason"),
    [
        (95.0, 101.0, FillReason.STOP_LOSS),
        (95.01, 101.0, None),
        (99.0, 105.0, FillReason.TAKE_PROFIT),
        (99.0, 104.99, None),
    ],
)
def test_a_touch_is_enough(low: float, high: float, reason: FillReason | None) -> None:
    """
    T 105 ┈┈ H 105   x
    S  95 ┈┈ L  95   x
    """
    fill = advance(long_two(95.0, 105.0), NO_ORDER, a_bar(low=low, high=high), FREE, ANY_LOT).bracket_fill
    assert fill.reason == (reason or FillReason.NONE)


@pytest.mark.parametrize(
    ("low", "high", "reason"),
    [
        (99.0, 105.0, FillReason.STOP_LOSS),
        (99.0, 104.99, None),
        (95.0, 101.0, FillReason.TAKE_PROFIT),
        (95.01, 101.0, None),
    ],
)
def test_a_touch_is_enough_for_a_short(low: float, high: float, reason: FillReason | None) -> None:
    """
    S 105 ┈┈ H 105   x
    T  95 ┈┈ L  95   x
    """
    short = long_two(105.0, 95.0)._replace(units=-2.0)
    fill = advance(short, NO_ORDER, a_bar(low=low, high=high), FREE, ANY_LOT).bracket_fill
    assert fill.reason == (reason or FillReason.NONE)


def test_a_shorts_gap_past_its_target_fills_at_the_target() -> None:
    """
    T  95 ┈┈┈ x
        H  94 ┘   the whole bar lies below: the mid moves to its high, no further
    """
    short = long_two()._replace(units=-2.0, take_profit=95.0)
    bar = a_bar(open=93.0, high=94.0, low=92.0, close=93.0)
    assert of(advance(short, NO_ORDER, bar, FREE, ANY_LOT).bracket_fill) == (FillReason.TAKE_PROFIT, 2.0, 95.0, 94.0)


def test_a_gap_past_the_target_comes_before_the_range_and_after_the_stop() -> None:
    """
    short, T 95, S 104
    O  93 x     the target at the open; H 105 would have reached the stop later
    """
    short = long_two()._replace(units=-2.0, stop_loss=104.0, take_profit=95.0)
    fill = advance(short, NO_ORDER, a_bar(open=93.0, high=105.0, low=92.0), FREE, ANY_LOT).bracket_fill
    assert (fill.reason, fill.price) == (FillReason.TAKE_PROFIT, 95.0)


def test_the_bracket_of_the_first_part_covers_the_whole_position() -> None:
    """
    O x 2 ┈┈ S 95         the bracket is set
    O x 3 ┈┈ S 95  L 94   and closes all five
    """
    capped = costs(participation_cap=0.1)
    book = advance(open_account(1e4, 100.0), BUY, a_bar(volume=20.0), capped, ANY_LOT).account
    step = advance(book, NO_ORDER, a_bar(volume=1e3, low=94.0), capped, ANY_LOT)
    assert step.market_fill.units == pytest.approx(3.0)
    assert (step.bracket_fill.units, step.bracket_fill.mid) == pytest.approx((5.0, 95.0))
    assert (step.bracket_fill.order_id, step.bracket_fill.decided_ns) == (7, 5)


@pytest.mark.parametrize(("low", "high"), [(94.0, 101.0), (99.0, 111.0)], ids=["stop", "target"])
def test_stop_and_target_withdraw_an_order_that_still_waits(low: float, high: float) -> None:
    """
    an exit waits for its open   S or T x   and nothing is left to sell
    """
    late = costs(latency_bars=1)
    step = advance(long_two(95.0, 110.0), LEAVE, a_bar(low=low, high=high), late, ANY_LOT)
    assert step.bracket_fill.units == 2.0
    assert step.account.pending == NO_ORDER
    assert advance(step.account, NO_ORDER, a_bar(), late, ANY_LOT).market_fill == NO_FILL


def test_until_its_open_an_exit_leaves_the_bracket_in_force() -> None:
    """
    an exit waits    S 95 x   L 94   the old bracket is void only when the exit fills
    """
    step = advance(long_two(95.0), LEAVE, a_bar(low=94.0), costs(latency_bars=3), ANY_LOT)
    assert of(step.bracket_fill) == (FillReason.STOP_LOSS, 2.0, 95.0, 95.0)


def test_equity_moves_by_price_and_costs_alone() -> None:
    """
    O 100 x 5     S 95 x 5     C 97      in, out and marked within one bar
    """
    paid = costs(half_spread_frac=0.001, slippage_frac=0.0005, commission_frac=1e-4, commission_per_lot=0.1)
    step = advance(open_account(1e4, 99.0), BUY, a_bar(low=94.0, close=97.0), paid, ANY_LOT)
    fees = step.market_fill.commission + step.bracket_fill.commission
    spread = 5.0 * (100.0 + 95.0) * 0.0015
    assert fees == pytest.approx(5.0 * (100.0 * 1.0015 + 95.0 * 0.9985) * 1e-4 + 2 * 5.0 * 0.1)
    assert equity(step.account) == pytest.approx(1e4 - 5.0 * 5.0 - spread - fees)


def test_the_default_market_has_no_nights_and_no_money_per_lot() -> None:
    default, is_default = load_config(CostsConfig, "costs").entry("NOBODY-KNOWS")
    assert is_default
    rates = default.costs()
    assert (rates.financing_long_frac_per_night, rates.financing_short_frac_per_night) == (0.0, 0.0)
    assert (rates.commission_per_lot, rates.latency_bars, rates.participation_cap, rates.fill_frac) == (
        0.0,
        0,
        0.0,
        1.0,
    )
