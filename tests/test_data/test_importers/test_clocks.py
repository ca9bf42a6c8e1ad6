import numpy as np
import pytest

from agv2.core.errors import ConfigError
from agv2.data.importers.clocks import CANDIDATES, Clock, parse_clock, to_utc
from tests.test_data.test_importers.layouts import ns_of, shown_by

HOUR_NS = 3_600_000_000_000


@pytest.mark.parametrize(
    ("text", "winter", "summer"),
    [
        ("UTC", 0, 0),
        ("gmt", 0, 0),
        ("EST", -5, -5),
        ("America/New_York", -5, -4),
        ("New York+7", 2, 3),
        ("America/New_York + 7 h", 2, 3),
        ("EET", 2, 3),
        ("Europe/Athens", 2, 3),
        ("UTC+2", 2, 2),
        ("Etc/GMT+5", -5, -5),
        ("Chicago", -6, -5),
    ],
)
def test_names_of_clocks(text: str, winter: int, summer: int) -> None:
    clock = parse_clock(text)
    for day, hours in (("2025-01-15 12:00", winter), ("2025-07-15 12:00", summer)):
        noon = np.array([ns_of(day)])
        assert (shown_by(clock, noon) - noon).tolist() == [hours * HOUR_NS]
        assert to_utc(noon, clock).ts_ns.tolist() == [ns_of(day) - hours * HOUR_NS]


@pytest.mark.parametrize("text", ["", "Mars", "UTC+99", "../etc/passwd", "Europe/", "New York+", "+3"])
def test_names_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match="--timezone"):
        parse_clock(text)


@pytest.mark.parametrize("clock", CANDIDATES, ids=lambda clock: clock.name)
@pytest.mark.parametrize("day", ["2025-03-09", "2025-03-30", "2025-10-26", "2025-11-02", "2006-04-02"])
def test_every_minute_round_a_change_of_clocks_comes_back(clock: Clock, day: str) -> None:
    utc = ns_of(f"{day} 00:00") + np.arange(-600, 1_800, dtype=np.int64) * 60_000_000_000
    back = to_utc(shown_by(clock, utc), clock)
    np.testing.assert_array_equal(back.ts_ns, utc)
    assert not back.missing.any()


def test_the_hour_that_is_shown_twice_is_counted() -> None:
    athens = parse_clock("Europe/Athens")
    shown = np.array([ns_of(f"2025-10-26 {each}") for each in ("02:30", "03:00", "03:30", "03:00", "03:30", "04:00")])
    back = to_utc(shown, athens)
    expected = [ns_of(f"2025-10-{each}") for each in (
        "25 23:30", "26 00:00", "26 00:30", "26 01:00", "26 01:30", "26 02:00"
    )]  # fmt: skip
    assert back.ts_ns.tolist() == expected
    assert back.n_ambiguous == 4


def test_hourly_bars_show_the_two_passes_by_the_same_reading() -> None:
    shown = np.array([ns_of(f"2025-10-26 {each}") for each in ("02:00", "03:00", "03:00", "04:00")])
    back = to_utc(shown, parse_clock("Europe/Athens"))
    assert np.diff(back.ts_ns).tolist() == [HOUR_NS] * 3


def test_where_only_one_pass_has_bars_it_is_the_first() -> None:
    back = to_utc(np.array([ns_of("2025-10-26 03:00"), ns_of("2025-10-26 04:00")]), parse_clock("Europe/Athens"))
    assert back.ts_ns.tolist() == [ns_of("2025-10-26 00:00"), ns_of("2025-10-26 02:00")]


def test_the_hour_that_is_skipped_is_missing() -> None:
    back = to_utc(np.array([ns_of("2025-03-30 02:59"), ns_of("2025-03-30 03:00")]), parse_clock("Europe/Athens"))
    assert back.missing.tolist() == [False, True]
