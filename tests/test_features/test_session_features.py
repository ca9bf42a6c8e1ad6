import datetime
import math
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from agv2.features.session_features import SESSIONS, bar_clock, session_flags


def stamp(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text + "+00:00").timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2020-01-15T12:59", False),  # winter: New York is UTC − 5
        ("2020-01-15T13:00", True),
        ("2020-01-15T21:59", True),
        ("2020-01-15T22:00", False),
        ("2020-03-16T12:00", True),  # summer time in New York already, not yet in London
        ("2020-07-15T12:00", True),
        ("2020-07-15T21:00", False),
        ("2020-07-18T15:00", False),  # Saturday
    ],
)
def test_new_york_opens_by_its_own_clock(moment: str, is_open: bool) -> None:
    assert session_flags(np.array([stamp(moment)]), "new_york")[0] == is_open


def test_london_changes_its_clock_on_another_day_than_new_york() -> None:
    assert session_flags(np.array([stamp("2020-03-16T07:30")]), "london")[0] == 0.0
    assert session_flags(np.array([stamp("2020-03-30T07:30")]), "london")[0] == 1.0


def test_tokyo_knows_no_summer_time_and_opens_on_sunday_evening_utc() -> None:
    for moment in ("2020-01-13T00:00", "2020-07-13T00:00", "2020-07-13T08:59"):
        assert session_flags(np.array([stamp(moment)]), "asia")[0] == 1.0
    assert session_flags(np.array([stamp("2020-07-12T23:59")]), "asia")[0] == 0.0


@pytest.mark.parametrize("session", list(SESSIONS))
def test_every_hour_of_a_year_agrees_with_the_wall_clock(session: str) -> None:
    zone, opens, closes = SESSIONS[session]
    hours = np.arange(366 * 24, dtype=np.int64)
    ts_ns = stamp("2020-01-01T00:00") + hours * 3_600_000_000_000
    flags = session_flags(ts_ns, session)
    for moment_ns, flag in zip(ts_ns.tolist(), flags.tolist(), strict=True):
        local = datetime.datetime.fromtimestamp(moment_ns // 1_000_000_000, ZoneInfo(zone))
        assert flag == (opens <= local.hour < closes and local.weekday() < 5)


def test_time_of_day_is_a_circle_in_new_york() -> None:
    midnight, six, noon = (stamp(f"2020-07-15T{hour}:00") for hour in ("04", "10", "16"))
    sine, cosine = bar_clock(np.array([midnight, six, noon])).time_of_day[:2]
    np.testing.assert_allclose(sine, [0.0, 1.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(cosine, [1.0, 0.0, -1.0], atol=1e-15)


def test_weekdays_lie_evenly_on_a_circle_from_monday() -> None:
    days = np.array([stamp(f"2020-07-{day}T12:00") for day in range(13, 20)])
    sine, cosine = bar_clock(days).day_of_week
    np.testing.assert_allclose(np.arctan2(sine, cosine) % (2 * np.pi), 2 * np.pi * np.arange(7) / 7)


def test_stamps_in_any_order_and_on_any_minute_agree_with_the_wall_clock() -> None:
    minutes = np.random.default_rng(0).integers(-30 * 525_600, 30 * 525_600, 3_000)
    ts_ns = stamp("2000-01-01T00:00") + minutes * 60_000_000_000 + 59_999_999_999
    clock = bar_clock(ts_ns)
    for t, moment_ns in enumerate(ts_ns.tolist()):
        local = datetime.datetime.fromtimestamp(moment_ns // 1_000_000_000, ZoneInfo("America/New_York"))
        angle = 2 * math.pi * (local.hour * 60 + local.minute) / 1440
        assert clock.time_of_day[:2, t].tolist() == [math.sin(angle), math.cos(angle)]
        shorter = [math.sin(2 * angle), math.cos(2 * angle), math.sin(3 * angle), math.cos(3 * angle)]
        assert clock.time_of_day[2:6, t].tolist() == pytest.approx(shorter, abs=1e-12)
        angle = 2 * math.pi * local.weekday() / 7
        assert clock.day_of_week[:, t].tolist() == [math.sin(angle), math.cos(angle)]
        assert clock.session_flags[2, t] == (8 <= local.hour < 17 and local.weekday() < 5)


def test_no_stamps_say_nothing() -> None:
    clock = bar_clock(np.empty(0, dtype=np.int64))
    assert [part.shape for part in clock] == [(3, 0), (8, 0), (2, 0)]
