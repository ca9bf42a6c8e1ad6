"""Lengths of bars and the roll of trading days."""

import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agv2.core.errors import DataError
from agv2.core.timeframes import SessionCalendar, Timeframe, context_timeframes

NS = 1_000_000_000
NEW_YORK = SessionCalendar(17, "America/New_York", 260.0, 2, weekend_nights=False)
ROUND_THE_CLOCK = SessionCalendar(0, "UTC", 365.0, None, weekend_nights=True)


def stamp(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp()) * NS


def day_of(calendar: SessionCalendar, text: str) -> datetime.date:
    (day,) = calendar.trading_days(np.array([stamp(text)]))
    return datetime.date(1970, 1, 1) + datetime.timedelta(days=int(day))


@pytest.mark.parametrize(
    ("text", "minutes"), [("1m", 1), ("5m", 5), ("1h", 60), ("4h", 240), ("1d", 1440), ("1w", 10080)]
)
def test_a_name_reads_back(text: str, minutes: int) -> None:
    assert Timeframe.parse(text).minutes == minutes
    assert Timeframe(minutes).name == text


@pytest.mark.parametrize("text", ["", "h", "0m", "-1h", "1y", "1.5h", "60"])
def test_what_is_no_timeframe_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="1m, 5m"):
        Timeframe.parse(text)


@given(st.integers(1, 20_000))
def test_every_length_survives_its_name(minutes: int) -> None:
    assert Timeframe.parse(Timeframe(minutes).name).minutes == minutes


@pytest.mark.parametrize(
    ("base", "context"),
    [("1m", ("5m", "15m")), ("5m", ("15m", "1h")), ("15m", ("1h", "4h")), ("30m", ("2h", "8h")),
     ("1h", ("4h", "1d")), ("4h", ("16h", "4d")), ("3m", ("12m", "72m"))],
)  # fmt: skip
def test_the_context_of_a_timeframe(base: str, context: tuple[str, str]) -> None:
    assert tuple(each.name for each in context_timeframes(Timeframe.parse(base))) == context


def test_a_trading_day_rolls_at_17_00_new_york_in_summer_and_winter() -> None:
    assert day_of(NEW_YORK, "2020-07-06T20:59") == datetime.date(2020, 7, 6)  # 16:59 EDT
    assert day_of(NEW_YORK, "2020-07-06T21:00") == datetime.date(2020, 7, 7)
    assert day_of(NEW_YORK, "2020-12-07T21:59") == datetime.date(2020, 12, 7)  # 16:59 EST
    assert day_of(NEW_YORK, "2020-12-07T22:00") == datetime.date(2020, 12, 8)


@given(st.datetimes(datetime.datetime(2007, 1, 1), datetime.datetime(2030, 1, 1)))
def test_trading_days_agree_with_the_zone_at_any_moment(moment: datetime.datetime) -> None:
    utc = moment.replace(tzinfo=datetime.UTC)
    local = utc.astimezone(ZoneInfo("America/New_York"))
    expected = local.date() + datetime.timedelta(days=local.hour >= 17)
    (day,) = NEW_YORK.trading_days(np.array([int(utc.timestamp()) * NS]))
    assert datetime.date(1970, 1, 1) + datetime.timedelta(days=int(day)) == expected


def test_financing_nights_of_a_week_with_the_triple_one() -> None:
    hours = stamp("2020-07-05T22:00") + np.arange(24 * 5) * 3600 * NS  # Sunday evening to Friday evening
    nights = NEW_YORK.nights(hours)
    charged = {day_of_hours(hours, i): n for i, n in enumerate(nights) if n}
    assert charged == {"Mon": 1.0, "Tue": 1.0, "Wed": 3.0, "Thu": 1.0, "Fri": 1.0}


def day_of_hours(hours: np.ndarray, i: int) -> str:
    """Weekday whose trading day ended just before hour i."""
    return datetime.datetime.fromtimestamp(int(hours[i]) // NS - 3600, ZoneInfo("America/New_York")).strftime("%a")


def test_a_hole_of_several_days_is_charged_for_each_of_its_nights() -> None:
    stamps = np.array([stamp("2020-07-06T12:00"), stamp("2020-07-09T12:00")])
    assert NEW_YORK.nights(stamps).tolist() == [0.0, 5.0]  # Monday's, Wednesday's triple is the third
    assert ROUND_THE_CLOCK.nights(stamps).tolist() == [0.0, 3.0]


def test_weekend_nights_count_only_round_the_clock() -> None:
    stamps = np.array([stamp("2020-07-10T12:00"), stamp("2020-07-13T12:00")])  # Friday noon, Monday noon
    assert NEW_YORK.nights(stamps)[1] == 1.0
    assert ROUND_THE_CLOCK.nights(stamps)[1] == 3.0


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=30, unique=True))
def test_nights_do_not_depend_on_the_bars_between(hours: list[int]) -> None:
    stamps = stamp("2020-01-01T00:00") + np.sort(np.array(hours)) * 3600 * NS
    ends = stamps[[0, -1]] if stamps.size > 1 else stamps
    assert NEW_YORK.nights(stamps).sum() == pytest.approx(NEW_YORK.nights(ends).sum())
