import numpy as np

from agv2.core.bars import Bars
from agv2.core.timeframes import Timeframe
from agv2.features.coarse_bars import coarse_bars
from tests.markets import NEW_YORK_DAYS, UTC_DAYS

HOUR_NS = 3_600_000_000_000


def hourly(hours: list[int], closes: list[float]) -> Bars:
    close = np.array(closes)
    nothing = np.full(close.size, np.nan)
    ts_ns = np.array(hours, dtype=np.int64) * HOUR_NS
    return Bars("TEST", Timeframe(60), ts_ns, close - 0.5, close + 2.0, close - 1.0, close, nothing, nothing)


def test_a_coarse_bar_spans_first_open_to_last_close() -> None:
    view = coarse_bars(hourly([0, 1, 2, 3], [10.0, 13.0, 9.0, 11.0]), Timeframe(240), UTC_DAYS)
    assert view.open.tolist() == [9.5]
    assert view.high.tolist() == [15.0]
    assert view.low.tolist() == [8.0]
    assert view.close.tolist() == [11.0]


def test_a_coarse_bar_is_seen_from_its_last_fine_bar_on() -> None:
    view = coarse_bars(hourly(list(range(9)), [1.0] * 9), Timeframe(240), UTC_DAYS)
    assert view.last_closed.tolist() == [-1, -1, -1, 0, 0, 0, 0, 1, 1]


def test_a_coarse_bar_whose_last_fine_bar_is_missing_is_seen_from_the_next_bar_on() -> None:
    view = coarse_bars(hourly([0, 1, 2, 5, 6], [1.0, 2.0, 3.0, 4.0, 5.0]), Timeframe(240), UTC_DAYS)
    assert view.last_closed.tolist() == [-1, -1, -1, 0, 0]
    assert view.close.tolist() == [3.0, 5.0]


def test_an_interval_without_bars_gives_no_coarse_bar() -> None:
    view = coarse_bars(hourly([3, 48], [1.0, 2.0]), Timeframe(240), UTC_DAYS)
    assert view.close.tolist() == [1.0, 2.0]
    assert view.last_base_bar.tolist() == [0, 1]


def test_bars_off_the_grid_belong_where_they_close() -> None:
    day = Timeframe(1440)
    stamps = np.array([22, 46, 70, 94], dtype=np.int64) * HOUR_NS  # open at 22:00, so close on day 1, 2, 3 and 4
    close = np.array([1.0, 2.0, 3.0, 4.0])
    bars = Bars("TEST", day, stamps, close, close, close, close, close, close)
    view = coarse_bars(bars, Timeframe(2 * 1440), UTC_DAYS)
    assert view.close.tolist() == [1.0, 3.0, 4.0]
    assert view.last_closed.tolist() == [-1, 0, 0, 1]
    assert (stamps + day.nanoseconds >= np.array([0, 1, 1, 2]) * 2 * 24 * HOUR_NS).all()


def test_a_day_ends_where_the_market_rolls_and_is_seen_at_once() -> None:
    evening = 24 * 18_640 + 20  # hours to 2021-01-13 20:00 UTC, two hours before 17:00 in New York
    view = coarse_bars(
        hourly([evening + i for i in (0, 1, 3, 4)], [1.0, 2.0, 3.0, 4.0]), Timeframe(1440), NEW_YORK_DAYS
    )
    assert view.close.tolist() == [2.0, 4.0]
    assert view.last_closed.tolist() == [-1, 0, 0, 0]


def test_the_epoch_is_no_seam() -> None:
    view = coarse_bars(hourly([-2, -1, 0, 1], [1.0, 2.0, 3.0, 4.0]), Timeframe(120), UTC_DAYS)
    assert view.close.tolist() == [2.0, 4.0]
    assert view.last_closed.tolist() == [-1, 0, 0, 1]
