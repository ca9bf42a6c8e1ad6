import pytest

from agv2.deploy.clock_watch import ClockReading, ClockState, ClockWatch

S = 1_000_000_000
WATCH = ClockWatch(most_skew_s=5.0, samples=3)


def told(skews_s: list[float]) -> ClockState:
    """After answers of a venue that is `skew` behind our clock, each 0.1 s on its way."""
    state = ClockState()
    for place, skew in enumerate(skews_s):
        venue = 1000 * S * (place + 1)
        ours = venue + round(skew * S)
        state = WATCH.observe(state, ClockReading(ours - S // 20, venue, ours + S // 20, 0))
    return state


@pytest.mark.parametrize("skew", [30.0, -30.0])
def test_clocks_that_are_apart_are_noticed_on_either_side(skew: float) -> None:
    found = WATCH.finding(told([skew] * 3))
    assert found.halted
    assert ("ahead of" if skew > 0 else "behind") in found.reason


def test_a_clock_that_is_set_wrong_is_noticed_at_the_second_reading_of_three() -> None:
    assert not WATCH.finding(told([0.0, 0.0, 0.0, 30.0])).halted
    assert WATCH.finding(told([0.0, 0.0, 0.0, 30.0, 30.0])).halted


def test_one_odd_reading_and_too_few_are_no_skew() -> None:
    assert not WATCH.finding(told([0.0, 60.0, 0.1])).halted
    assert not WATCH.finding(told([60.0, 60.0])).halted


def test_a_slow_answer_and_whole_seconds_explain_themselves() -> None:
    slow = ClockReading(asked_ns=0, venue_ns=19 * S, heard_ns=20 * S)
    whole = ClockReading(asked_ns=10 * S + 900_000_000, venue_ns=10 * S, heard_ns=10 * S + 950_000_000)
    assert (slow.skew_s, whole.skew_s) == (0.0, 0.0)
    assert ClockReading(asked_ns=100 * S, venue_ns=90 * S, heard_ns=100 * S).skew_s == 9.0


def test_a_state_survives_a_restart() -> None:
    state = told([1.0, 2.0, 3.0, 4.0])
    assert len(state.skews_s) == 3
    assert ClockState.from_json(state.as_json()) == state
