from agv2.risk.limits import RiskState, fresh_risk_state, is_halted, observe_equity
from tests.tapes import limits

PARAMS = limits(daily_loss_frac=0.04, drawdown_frac=0.2, breaker_cooldown_days=3)


def through(*seen: tuple[int, float]) -> list[RiskState]:
    """States after each (trading day, equity), from 100 on day 10."""
    state = fresh_risk_state(100.0, 10)
    states = []
    for day, equity in seen:
        state = observe_equity(state, equity, day, PARAMS)
        states.append(state)
    return states


def test_the_daily_loss_halts_until_the_next_trading_day() -> None:
    halted = [is_halted(state) for state in through((10, 96.01), (10, 96.0), (10, 99.0), (11, 99.0))]
    assert halted == [False, True, True, False]


def test_the_daily_loss_counts_from_the_last_bar_of_the_day_before() -> None:
    states = through((10, 110.0), (11, 105.7), (11, 105.5))
    assert states[1].day_start_equity == 110.0
    assert [state.daily_loss_hit for state in states] == [False, False, True]


def test_a_loss_within_the_first_bar_of_a_day_halts_that_day() -> None:
    assert is_halted(through((11, 95.0))[0])


def test_the_breaker_trips_at_the_drawdown_and_resumes_on_its_day_from_a_new_peak() -> None:
    states = through((10, 120.0), (11, 118.0), (12, 96.0), (13, 96.0), (14, 97.0), (15, 97.0), (15, 95.0))
    assert [state.breaker_until_day for state in states] == [0, 0, 15, 15, 15, 0, 0]
    assert (states[4].peak_equity, states[5].peak_equity) == (120.0, 97.0)
    assert not is_halted(states[5])


def test_after_resuming_the_breaker_trips_again_only_from_the_new_peak() -> None:
    states = through(
        (10, 80.0), (13, 80.0), (13, 78.0), (14, 76.0), (15, 73.0), (16, 70.5), (17, 68.0), (18, 65.6), (19, 64.0)
    )
    assert states[0].breaker_until_day == 13
    assert [state.breaker_until_day for state in states[1:-1]] == [0] * 7
    assert states[-1].breaker_until_day == 22


def test_a_breaker_that_ends_within_the_day_it_tripped_needs_a_new_day() -> None:
    states = through((10, 80.0), (12, 85.0), (12, 90.0))
    assert all(is_halted(state) for state in states)
