import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.backtest.trades import round_trips
from tests.run_rows import HOUR_NS, HandFill, a_run

CLOSES = (100.0, 100.0, 104.0, 106.0, 105.0, 105.0)


def test_a_round_trip_by_hand() -> None:
    fills = (
        HandFill(1, 2.0, 100.1, 100.0, commission=0.5),
        HandFill(4, -2.0, 105.8, 106.0, commission=0.7, reason="take_profit"),
    )
    (trade,) = round_trips(a_run(CLOSES, fills, financing={2: 0.3, 4: 0.1, 5: 9.0}, stops={0: 95.0}))
    assert (trade.side, trade.units, trade.bars_held, trade.exit_reason) == (1, 2.0, 3, "take_profit")
    assert (trade.opened_ns, trade.closed_ns, trade.decided_ns) == (HOUR_NS, 4 * HOUR_NS, 0)
    assert (trade.entry_price, trade.exit_price, trade.entry_mid) == (100.1, 105.8, 100.0)
    assert trade.notional == pytest.approx(2 * 100 + 2 * 106)
    assert trade.cost == pytest.approx(2 * 0.1 + 2 * 0.2 + 0.5 + 0.7)
    assert trade.financing == pytest.approx(0.4)  # bar 5's is charged to nobody's trade
    assert trade.net_pnl == pytest.approx(2 * (105.8 - 100.1) - 1.2 - 0.4)
    assert trade.initial_risk == pytest.approx(10.0)
    assert trade.r_multiple == pytest.approx(trade.net_pnl / 10.0)


def test_a_reversal_closes_one_trade_and_opens_the_next() -> None:
    fills = (
        HandFill(1, 2.0, 100.0, 100.0),
        HandFill(3, -5.0, 106.0, 106.0, commission=1.0, reason="reverse", decided=2),
        HandFill(5, 3.0, 105.0, 105.0, reason="end"),
    )
    long, short = round_trips(a_run(CLOSES, fills, financing={3: 0.2, 4: 0.5}, stops={0: 98.0, 2: 110.0}))
    assert (long.side, long.units, long.exit_reason) == (1, 2.0, "reverse")
    assert (short.side, short.units, short.exit_reason) == (-1, 3.0, "end")
    assert long.net_pnl == pytest.approx(12.0 - 0.4 - 0.2)  # two fifths of the commission; financing of bar 3
    assert short.net_pnl == pytest.approx(3.0 - 0.6 - 0.5)
    assert short.initial_risk == pytest.approx(12.0)
    assert (short.opened_ns, short.decided_ns) == (3 * HOUR_NS, 2 * HOUR_NS)


def test_partial_fills_make_one_trade() -> None:
    fills = (
        HandFill(1, 1.0, 100.0, 100.0, decided=0),
        HandFill(2, 3.0, 104.0, 104.0, decided=0),
        HandFill(3, -1.0, 106.0, 106.0, reason="exit", decided=2),
        HandFill(4, -3.0, 105.0, 105.0, reason="exit", decided=2),
    )
    (trade,) = round_trips(a_run(CLOSES, fills, stops={0: 93.0}))
    assert trade.units == 4.0
    assert trade.entry_price == pytest.approx(103.0)
    assert trade.exit_price == pytest.approx(105.25)
    assert trade.net_pnl == pytest.approx(9.0)
    assert trade.initial_risk == pytest.approx(40.0)


def test_a_stop_out_in_the_bar_of_the_entry_is_a_trade_of_no_bars() -> None:
    fills = (HandFill(1, -1.0, 100.0, 100.0), HandFill(1, 1.0, 102.0, 102.0, reason="stop_loss", decided=0))
    (trade,) = round_trips(a_run(CLOSES, fills, stops={0: 102.0}))
    assert (trade.bars_held, trade.net_pnl, trade.r_multiple) == (0, -2.0, -1.0)


def test_without_a_stop_the_risk_is_undefined() -> None:
    fills = (HandFill(1, 1.0, 100.0, 100.0), HandFill(2, -1.0, 104.0, 104.0))
    assert math.isnan(round_trips(a_run(CLOSES, fills))[0].r_multiple)
    assert math.isnan(round_trips(a_run(CLOSES, fills, stops={0: 0.0}))[0].r_multiple)
    assert math.isnan(round_trips(a_run(CLOSES, fills, stops={0: 100.0}))[0].r_multiple)


def test_what_is_still_open_is_no_trade() -> None:
    assert round_trips(a_run(CLOSES, (HandFill(1, 1.0, 100.0, 100.0),))) == ()


def test_the_rest_that_rounding_leaves_is_flat() -> None:
    fills = (
        HandFill(1, 0.1, 100.0, 100.0),
        HandFill(2, 0.2, 104.0, 104.0),
        HandFill(3, -0.3, 106.0, 106.0),
        HandFill(4, 1.0, 105.0, 105.0),
        HandFill(5, -1.0, 105.0, 105.0),
    )
    assert [trade.units for trade in round_trips(a_run(CLOSES, fills))] == pytest.approx([0.3, 1.0])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-3, 3), st.floats(50, 200), st.floats(0, 2), st.floats(-1, 1)), min_size=3, max_size=30
    )
)
def test_net_pnl_of_all_trades_is_what_the_equity_gained(path: list[tuple[int, float, float, float]]) -> None:
    fills, held, financing = [], 0.0, {}
    for bar, (target, mid, cost, paid) in enumerate(path):
        last = bar == len(path) - 1
        units = (0 if last else target) - held
        if held:
            financing[bar] = paid
        if bar and units:
            fills.append(HandFill(bar, units, mid + math.copysign(cost, units), mid, commission=cost))
            held += units
    run = a_run([mid for _, mid, _, _ in path], fills, financing=financing)
    equity = run.equity["equity"]
    trades = round_trips(run)
    assert sum(trade.net_pnl for trade in trades) == pytest.approx(equity[-1] - 1000.0, abs=1e-6)
    assert all(trade.cost >= -1e-9 and trade.notional > 0 for trade in trades)
