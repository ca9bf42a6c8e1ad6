from pathlib import Path

import pytest

from agv2.core.errors import DataError
from agv2.deploy.pulse import Pulse
from agv2.deploy.safeguards import Beat, Breaker, Heartbeat, Listener
from agv2.risk.limits import RiskState, fresh_risk_state, observe_equity
from agv2.utils.clock import ReplayClock
from tests.tapes import limits

PARAMS = limits(daily_loss_frac=0.04, drawdown_frac=0.2, breaker_cooldown_days=3)
S = 1_000_000_000


def through(*seen: tuple[int, float]) -> RiskState:
    state = fresh_risk_state(100.0, 10)
    for day, equity in seen:
        state = observe_equity(state, equity, day, PARAMS)
    return state


def test_a_daily_loss_flattens_at_the_bar_that_crosses_it_and_names_the_limit() -> None:
    before, after = (Breaker(PARAMS).findings(through(*seen))[0] for seen in ([(10, 96.1)], [(10, 96.1), (10, 95.5)]))
    assert not before.halted
    assert after.flatten
    assert after.reason == "limit of 4.0% of the day's equity was reached; now 4.5%"


def test_a_drawdown_over_days_flattens_though_no_day_lost_much() -> None:
    seen = [(11 + day, 97.0 - 3.0 * day) for day in range(7)]
    daily, drawdown = Breaker(PARAMS).findings(through(*seen))
    assert not daily.halted
    assert drawdown.flatten
    assert drawdown.evidence["found_frac"] == pytest.approx(0.21)


def test_the_breaker_says_what_the_risk_layer_has_decided_and_nothing_else() -> None:
    untouched = through((10, 95.0))._replace(daily_loss_hit=False)
    assert not any(found.halted for found in Breaker(PARAMS).findings(untouched))


def test_a_silent_trader_is_missed_after_the_limit_and_not_before() -> None:
    listener = Listener(60.0).listened(Beat(1, 0, 42, "demo", False), 10 * S)
    assert not listener.finding(70 * S).halted
    found = listener.finding(71 * S)
    assert found.flatten
    assert found.reason == "the trader (process 42) has been silent for 61 s, longer than 60 s"


def test_the_same_beat_again_is_no_sign_of_life_and_a_new_process_is() -> None:
    listener = Listener(60.0).listened(Beat(7, 0, 42, "demo", False), 0)
    assert listener.listened(Beat(7, 99 * S, 42, "demo", False), 65 * S).finding(65 * S).flatten
    assert not listener.listened(Beat(1, 0, 43, "demo", False), 65 * S).finding(65 * S).halted


def test_a_trader_that_said_goodbye_or_was_never_there_is_not_missed() -> None:
    assert not Listener(60.0).finding(10_000 * S).halted
    assert not Listener(60.0).listened(Beat(9, 0, 42, "demo", True), 0).finding(10_000 * S).halted


def test_the_traders_own_clock_does_not_count() -> None:
    listener = Listener(60.0).listened(Beat(1, 10**18, 42, "demo", False), 0)
    assert not listener.finding(30 * S).halted


def test_nothing_follows_a_goodbye(tmp_path: Path) -> None:
    """The thread that looks after the guards may be about to beat while another one ends the service."""
    heart = Heartbeat(tmp_path / "heart.json")
    pulse = Pulse(heart, "service DEMO", 0.0, ReplayClock(0))
    pulse.begin()
    pulse.end()
    pulse.beat()
    last = heart.last()
    assert last is not None
    assert last.stopped


def test_a_beat_is_read_back_and_another_file_is_refused(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path / "beats" / "heartbeat.json")
    assert heart.last() is None
    heart.beat(Beat(3, 5, 42, "demo XAUUSD", False))
    assert heart.last() == Beat(3, 5, 42, "demo XAUUSD", False)
    heart.path.write_text('{"number": 3}')
    with pytest.raises(DataError, match="not a heartbeat"):
        heart.last()
