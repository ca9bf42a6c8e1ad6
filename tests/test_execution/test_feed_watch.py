from agv2.core.timeframes import Timeframe
from agv2.execution.feed_watch import FeedHealth, FeedWatch

S = 1_000_000_000


def test_a_feed_is_fresh_for_a_bar_and_its_grace() -> None:
    watch = FeedWatch(Timeframe(1), grace_s=20.0)
    assert watch.health(1000 * S) is FeedHealth.WAITING
    watch.heard(1000 * S)
    assert watch.health(1080 * S) is FeedHealth.FRESH
    assert watch.health(1081 * S) is FeedHealth.STALE
    watch.heard(900 * S)  # an older one is no news
    assert watch.age_s(1081 * S) == 81.0


def test_a_bar_is_late_once_its_grace_is_over() -> None:
    watch = FeedWatch(Timeframe(60), grace_s=20.0)
    watch.heard(1000 * S)
    assert not watch.is_late(1020 * S)
    assert watch.is_late(1021 * S)


def test_clocks_too_far_apart_make_every_age_worthless() -> None:
    watch = FeedWatch(Timeframe(1), most_skew_s=5.0)
    watch.heard(1000 * S)
    watch.compared(1000 * S, 1005 * S)
    assert watch.health(1000 * S) is FeedHealth.FRESH
    watch.compared(1000 * S, 1006 * S)
    assert watch.health(1000 * S) is FeedHealth.SKEWED
