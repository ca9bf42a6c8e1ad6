"""Defects of the feed: stale stretches, spikes, holes; each planted, found and counted."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.core.bars import Bars
from agv2.core.timeframes import utc_offset_ns
from agv2.data.quality.findings import Severity
from agv2.data.quality_checks import check_bars
from tests.quality_markets import HOUR_NS, SETTINGS, clean_bars, findings, market_of, taken

BARS = clean_bars(3_000)


def frozen(bars: Bars, first: int, length: int, wiggle: float = 0.0) -> Bars:
    """The bars with a stretch in which the price stands still."""
    stretch = np.s_[first : first + length]
    columns = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close")}
    for values in columns.values():
        values[stretch] = bars.close[first - 1]
    columns["high"][stretch] += wiggle
    return replace(bars, **columns)


@settings(max_examples=20, deadline=None)
@given(st.integers(50, 2_800), st.integers(6, 100), st.sampled_from([0.0, 0.01]))
def test_a_stretch_at_one_level_is_stale(first: int, length: int, wiggle: float) -> None:
    found = findings(frozen(BARS, first, length, wiggle))
    assert found["stale_runs"].severity is Severity.WARNING
    assert found["stale_runs"].count == length
    assert found["stale_runs"].places[0].row == first
    assert found["flat_bars"].count == length
    assert "stale_feed" not in found


@settings(max_examples=10, deadline=None)
@given(st.sets(st.integers(0, 2_900), min_size=1, max_size=30))
def test_single_flat_bars_are_counted_and_not_stale(rows: set[int]) -> None:
    apart = sorted(row for row in rows if row - 1 not in rows)
    bars = BARS
    for row in apart:
        bars = frozen(bars, max(row, 1), 1)
    found = findings(bars)
    assert found["flat_bars"].count == len({max(row, 1) for row in apart})
    assert "stale_runs" not in found


@pytest.mark.parametrize(("share", "is_error"), [(0.19, False), (0.22, True)])
def test_more_than_a_fifth_stale_is_an_error(share: float, is_error: bool) -> None:
    found = findings(frozen(BARS, 500, int(share * len(BARS))))
    assert ("stale_feed" in found) == is_error
    if is_error:
        assert found["stale_feed"].severity is Severity.ERROR


def test_flat_minutes_are_no_stale_stretch_below_an_hour() -> None:
    bars = clean_bars(3_000, "1m")
    assert "stale_runs" not in findings(frozen(bars, 700, 59))
    assert findings(frozen(bars, 700, 60))["stale_runs"].count == 60


@settings(max_examples=20, deadline=None)
@given(st.sets(st.integers(5, 290), min_size=1, max_size=12), st.sampled_from([1.3, 0.7]))
def test_prices_there_for_one_bar_are_spikes(tens: set[int], factor: float) -> None:
    rows = np.array(sorted(tens)) * 10
    name = "high" if factor > 1 else "low"
    values = getattr(BARS, name).copy()
    values[rows] *= factor
    found = findings(replace(BARS, **{name: values}))
    assert (found["spikes"].severity, found["spikes"].count) == (Severity.WARNING, rows.size)
    assert found["spikes"].places[0].row in rows


def test_a_crash_that_stays_is_no_spike() -> None:
    later = np.arange(len(BARS)) >= 1_500
    columns = {name: np.where(later, 0.97, 1.0) * getattr(BARS, name) for name in ("open", "high", "low", "close")}
    columns["open"][1_500] = BARS.close[1_499]  # within the bar
    columns["high"][1_500] = max(columns["high"][1_500], columns["open"][1_500])
    found = findings(replace(BARS, **columns))
    assert "spikes" not in found
    assert "feed_splice" not in found


@settings(max_examples=25, deadline=None)
@given(st.integers(40, 2_900), st.integers(6, 21))
def test_a_hole_inside_a_session_is_a_gap_of_its_length(first: int, length: int) -> None:
    hour = (BARS.ts_ns + utc_offset_ns(BARS.ts_ns, "America/New_York")) // HOUR_NS % 24
    first += int(np.argmax(hour[first:] == 18))  # a session has 23 bars
    if first + length >= len(BARS) - 1 or BARS.ts_ns[first + length] - BARS.ts_ns[first] != length * HOUR_NS:
        return  # a holiday cuts the session short
    kept = np.ones(len(BARS), dtype=np.bool_)
    kept[first + 1 : first + 1 + length] = False
    found = findings(taken(BARS, kept))
    assert (found["gaps"].count, found["gaps"].severity) == (1, Severity.WARNING)
    assert found["gaps"].places[0].value.startswith(f"{length} bars, until ")
    assert found["gaps"].places[0].ts_ns == BARS.close_ns[first]


def test_short_holes_are_only_counted() -> None:
    kept = np.ones(len(BARS), dtype=np.bool_)
    kept[[200, 201, 400, 700]] = False
    found = findings(taken(BARS, kept))
    assert "gaps" not in found
    assert (found["short_holes"].count, found["short_holes"].severity) == (4, Severity.INFO)


def test_weekends_breaks_and_holidays_of_the_calendar_are_no_gaps() -> None:
    found = findings(clean_bars(6_000))  # a year: New Year, Easter, Christmas, both changes of clocks
    assert "gaps" not in found
    assert "absent_sessions" not in found


def test_a_day_without_bars_is_an_absent_session() -> None:
    days = BARS.ts_ns // (24 * HOUR_NS)
    wednesday = days[np.flatnonzero((days + 3) % 7 == 2)[100]]
    begins = wednesday * 24 * HOUR_NS - HOUR_NS  # 18:00 New York is 23:00 UTC in winter
    found = findings(taken(BARS, (BARS.ts_ns < begins) | (BARS.ts_ns >= begins + 24 * HOUR_NS)))
    assert (found["absent_sessions"].count, found["absent_sessions"].severity) == (1, Severity.WARNING)
    assert "gaps" not in found


def test_nights_that_are_missing_for_months_are_absent_sessions() -> None:
    bars = clean_bars(6_000)
    hour = (bars.ts_ns + utc_offset_ns(bars.ts_ns, "America/New_York")) // HOUR_NS % 24
    month = bars.ts_ns.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64) % 12
    night = ((hour >= 18) | (hour < 2)) & (month >= 3) & (month < 8)
    found = findings(taken(bars, ~night))
    assert found["absent_sessions"].severity is Severity.WARNING
    assert any(
        "no bars at 18:00–02:00 New York from 2018-04 to 2018-08" in p.value for p in found["absent_sessions"].places
    )


def test_a_market_round_the_clock_that_closes_at_weekends_says_so() -> None:
    bars = replace(clean_bars(3_000), symbol="ETHUSD")
    found = findings(bars, "ETHUSD")
    assert found["absent_sessions"].severity is Severity.WARNING
    assert "Fri 17:00 to Sun 18:00" in found["absent_sessions"].evidence
    assert "inferred" in found["sessions"].evidence


def test_shorter_hours_every_day_are_information() -> None:
    bars = clean_bars(12_000, "5m")
    minute = (bars.ts_ns + utc_offset_ns(bars.ts_ns, "America/New_York")) // (HOUR_NS // 60) % 1440
    found = findings(taken(bars, (minute < 16 * 60 + 30) | (minute >= 18 * 60 + 5)))
    assert found["shorter_hours"].severity is Severity.INFO
    assert "gaps" not in found


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_table_of_bars_is_judged(data: st.DataObject) -> None:
    n_bars = data.draw(st.integers(2, 60))
    steps = np.array(data.draw(st.lists(st.integers(1, 5_000), min_size=n_bars, max_size=n_bars)))
    prices = np.array(data.draw(st.lists(st.floats(1e-6, 1e9), min_size=n_bars, max_size=n_bars)))
    unknown = np.array(data.draw(st.lists(st.floats(), min_size=n_bars, max_size=n_bars)))
    ts_ns = 1_600_000_000_000_000_000 // 60_000_000_000 * 60_000_000_000 + np.cumsum(steps) * 60_000_000_000
    bars = Bars("XAUUSD", BARS.timeframe, ts_ns, prices, prices * 1.1, prices * 0.9, prices, unknown, unknown.copy())
    symbol = data.draw(st.sampled_from(["XAUUSD", "ETHUSD", "GER40", "MINE"]))
    report = check_bars(bars, market_of(symbol), SETTINGS)
    assert all(each.count > 0 for each in report.findings)
