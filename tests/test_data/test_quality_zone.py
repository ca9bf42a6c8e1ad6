"""Clocks that are not UTC, and clocks that are."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from agv2.core.arrays import IntArray
from agv2.core.timeframes import utc_offset_ns
from agv2.data.quality.findings import Severity
from agv2.data.synthetic import synthetic_bars
from tests.quality_markets import HOUR_NS, clean_bars, findings, restamped, taken

Clock = Callable[[IntArray], IntArray]
YEAR = clean_bars(5_900)


def new_york_plus_7(ts_ns: IntArray) -> IntArray:
    return ts_ns + utc_offset_ns(ts_ns, "America/New_York") + 7 * HOUR_NS


def athens(ts_ns: IntArray) -> IntArray:
    return ts_ns + utc_offset_ns(ts_ns, "Europe/Athens")


@pytest.mark.parametrize("hours", [-7, -3, -1, 1, 2, 7])
@pytest.mark.parametrize("timeframe", ["5m", "1h"])
def test_a_shifted_clock_is_an_error_that_names_the_shift(hours: int, timeframe: str) -> None:
    bars = clean_bars(8_000 if timeframe == "5m" else 2_000, timeframe)
    found = findings(restamped(bars, lambda ts_ns: ts_ns + hours * HOUR_NS))["wrong_zone"]
    assert found.severity is Severity.ERROR
    assert f"{abs(hours)} h {'after' if hours > 0 else 'before'} the market's" in found.evidence


@pytest.mark.parametrize("clock", [new_york_plus_7, athens])
def test_server_time_taken_for_utc_is_an_error(clock: Clock) -> None:
    found = findings(restamped(YEAR, clock))["wrong_zone"]
    assert found.places[0].value == "as if a clock +2 h from UTC with summer time had been taken for UTC"


def test_a_server_without_summer_time_is_wrong_in_summer() -> None:
    def clock(ts_ns: IntArray) -> IntArray:  # server time stays, but is read as if it moved with Athens
        return ts_ns - utc_offset_ns(ts_ns, "Europe/Athens") + 2 * HOUR_NS

    found = findings(restamped(YEAR, clock))["wrong_zone"]
    assert "summer" in found.places[0].value


def test_summer_time_of_the_other_continent_is_an_error() -> None:
    def clock(ts_ns: IntArray) -> IntArray:  # Athens' server read as one that follows New York
        return athens(ts_ns) - 7 * HOUR_NS - utc_offset_ns(ts_ns, "America/New_York")

    found = findings(restamped(YEAR, clock))["wrong_zone"]
    assert found.places[0].value.startswith("summer time of the other continent")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("timeframe", ["5m", "15m", "1h", "4h", "1d"])
def test_the_right_clock_is_no_error(seed: int, timeframe: str) -> None:
    assert "wrong_zone" not in findings(clean_bars(3_000 if timeframe != "1d" else 300, timeframe, seed))


@pytest.mark.parametrize("symbol", ["XAUUSD", "US30", "GER40", "EURUSD", "ETHUSD"])
def test_a_market_without_a_day_of_its_kind_is_not_judged_wrong(symbol: str) -> None:
    for seed in range(3):
        assert "wrong_zone" not in findings(synthetic_bars("noise", 3_000, seed, "1h", symbol), symbol)


def test_an_unknown_market_is_not_judged_and_says_so() -> None:
    found = findings(restamped(YEAR, lambda ts_ns: ts_ns + 7 * HOUR_NS), "MINE")
    assert "wrong_zone" not in found
    assert "nobody has measured" in found["not_judged"].evidence


def test_weekends_alone_give_a_clock_of_long_bars_away() -> None:
    bars = clean_bars(1_000, "4h")
    assert "wrong_zone" not in findings(bars)
    moved = findings(restamped(bars, lambda ts_ns: ts_ns + 8 * HOUR_NS))["wrong_zone"]
    assert "weekends begin and end about" in moved.evidence
    assert "h after New York's" in moved.evidence


def test_weekends_from_midnight_to_midnight_utc_are_no_wrong_clock() -> None:
    bars = synthetic_bars("noise", 6_000, 1, "1h", "XAUUSD")
    weekday = (bars.ts_ns // (24 * HOUR_NS) + 3) % 7 < 5
    assert "wrong_zone" not in findings(taken(bars, weekday))


def test_three_days_are_too_few_to_judge() -> None:
    found = findings(restamped(clean_bars(70), lambda ts_ns: ts_ns + 7 * HOUR_NS))
    assert "wrong_zone" not in found
    assert "too few days" in found["not_judged"].evidence


def test_the_check_does_not_depend_on_the_price_level() -> None:
    def scaled(factor: float) -> float:
        bars = replace(
            YEAR, open=YEAR.open * factor, high=YEAR.high * factor, low=YEAR.low * factor, close=YEAR.close * factor
        )
        return float(findings(restamped(bars, athens))["wrong_zone"].places[0].ts_ns)

    assert scaled(1.0) == scaled(0.01)
