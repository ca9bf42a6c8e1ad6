import numpy as np
import pytest

from agv2.deploy.feed_watch import FeedState, FeedWatch
from tests.factories import a_bar

S = 1_000_000_000
HOUR = 3600 * S
WATCH = FeedWatch(step_ns=60 * S, grace_ns=300 * S, frozen_bars=3)
# Open for ten hours, closed for fourteen, open again.
OPEN, CLOSE = np.array([0, 24 * HOUR]), np.array([10 * HOUR, 34 * HOUR])


def stale_at(last_close_ns: int, now_ns: int) -> bool:
    return WATCH.findings(FeedState(last_close_ns, 1.0, 0), now_ns, OPEN, CLOSE)[0].halted


def test_a_bar_is_missed_a_grace_after_it_was_due_and_not_before() -> None:
    assert not stale_at(HOUR, HOUR + 360 * S)
    assert stale_at(HOUR, HOUR + 361 * S)


def test_a_closed_market_sends_no_bars() -> None:
    assert not stale_at(10 * HOUR, 23 * HOUR)
    assert not stale_at(10 * HOUR, 24 * HOUR + 359 * S)
    assert stale_at(10 * HOUR, 24 * HOUR + 361 * S)


def test_nothing_is_missed_before_the_first_bar() -> None:
    assert not stale_at(0, 5 * HOUR)


def test_the_reason_names_both_times() -> None:
    found = WATCH.findings(FeedState(HOUR, 1.0, 0), HOUR + 400 * S, OPEN, CLOSE)[0]
    assert found.reason == "no bar for 400 s of open market, more than 360 s"


@pytest.mark.parametrize(("prices", "frozen"), [([5.0, 5.0, 5.0], True), ([5.0, 5.0], False), ([5.0, 6.0, 6.0], False)])
def test_bars_that_repeat_one_price_are_no_feed(prices: list[float], frozen: bool) -> None:
    state = FeedState(0, 0.0, 0)
    for price in prices:
        state = state.after(a_bar(open=price, high=price, low=price, close=price), 1)
    assert WATCH.findings(state, 1, OPEN, CLOSE)[1].halted is frozen


def test_a_bar_that_moves_ends_the_row() -> None:
    state = FeedState(1, 5.0, 2).after(a_bar(open=5.0, high=5.1, low=5.0, close=5.0), 1)
    assert state.frozen_bars == 0
    assert FeedState.from_json(state.as_json()) == state
