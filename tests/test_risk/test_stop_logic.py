import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.risk.stop_logic import initial_stop, initial_target


@pytest.mark.parametrize(("side", "stop", "target"), [(1, 98.0, 106.0), (-1, 102.0, 94.0)])
def test_distances_are_counted_in_volatility_units(side: int, stop: float, target: float) -> None:
    assert initial_stop(side, 100.0, 0.01, 2.0, 0.0) == pytest.approx(stop)
    assert initial_target(side, 100.0, 0.01, 6.0, 0.0) == pytest.approx(target)


@settings(deadline=None)  # the first example may have to compile
@given(
    st.sampled_from([-1, 1]),
    st.floats(0.5, 1e5),
    st.floats(1e-5, 0.3),
    st.floats(1.0, 10.0),
    st.sampled_from([0.0, 0.01, 0.25]),
)
def test_stops_lie_on_the_losing_side_and_targets_on_the_winning_one(
    side: int, close: float, volatility: float, multiple: float, tick: float
) -> None:
    stop = initial_stop(side, close, volatility, multiple, tick)
    target = initial_target(side, close, volatility, multiple, tick)
    assert side * (close - stop) > 0.0
    assert side * (target - close) > 0.0
    assert stop > 0.0
    assert target > 0.0


def test_a_stop_is_on_the_tick_grid_and_at_least_one_tick_away() -> None:
    assert initial_stop(1, 100.0, 0.0123, 1.0, 0.5) == 99.0
    assert initial_stop(1, 100.0, 0.00001, 1.0, 0.5) == 99.5


def test_a_price_stays_positive_however_wide_the_bands() -> None:
    assert initial_stop(1, 100.0, 0.6, 2.5, 0.0) == pytest.approx(1.0)
    assert initial_target(-1, 100.0, 0.6, 10.0, 0.0) == pytest.approx(1.0)
