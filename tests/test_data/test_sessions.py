import datetime
import subprocess
import sys
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from agv2.core.bars import Bars
from agv2.core.errors import ConfigError
from agv2.core.timeframes import Timeframe, utc_offset_ns
from agv2.data.sessions import Sessions, inferred_sessions, market_sessions, sessions_of

MINUTE_NS = 60_000_000_000
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
NEW_YORK = "America/New_York"


def at(text: str, zone: str = NEW_YORK) -> int:
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000_000


def new_york(moments: np.ndarray) -> list[str]:
    zone = ZoneInfo(NEW_YORK)
    return [
        datetime.datetime.fromtimestamp(each // 10**9, zone).strftime("%a %m-%d %H:%M") for each in moments.tolist()
    ]


def spans(sessions: Sessions) -> list[str]:
    pairs = zip(new_york(sessions.open_ns), new_york(sessions.close_ns), strict=True)
    return [f"{opens} to {closes}" for opens, closes in pairs]


def bars_at(ts_ns: np.ndarray, timeframe: str) -> Bars:
    price = np.full(ts_ns.size, 100.0)
    return Bars("TEST", Timeframe.parse(timeframe), ts_ns, price, price, price, price, price, price)


def grid(start: str, stop: str, timeframe: str) -> np.ndarray:
    return np.arange(at(start, "UTC"), at(stop, "UTC"), Timeframe.parse(timeframe).nanoseconds, dtype=np.int64)


def new_york_clock(ts_ns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weekday (Monday 0) and minute of the day in New York."""
    local = (ts_ns + utc_offset_ns(ts_ns, NEW_YORK)) // MINUTE_NS
    return (local // 1440 + 3) % 7, local % 1440


def cash_session(start: str, stop: str, timeframe: str = "1m") -> np.ndarray:
    ts = grid(start, stop, timeframe)
    weekday, minute = new_york_clock(ts)
    return ts[(weekday < 5) & (minute >= 570) & (minute < 960)]


def test_a_market_round_the_clock_is_one_session() -> None:
    always = market_sessions("24/7", at("2025-01-01"), at("2025-02-01"))
    assert always.is_open(np.array([at("2025-01-01"), at("2025-01-18 03:00")])).all()
    assert (always.open_ns.tolist(), always.close_ns.tolist()) == ([at("2025-01-01")], [at("2025-02-01")])


@pytest.mark.parametrize(
    ("sunday", "opens", "closes"),
    [
        ("2025-01-12", "2025-01-12 22:00", "2025-01-17 22:00"),
        ("2025-03-02", "2025-03-02 22:00", "2025-03-07 22:00"),
        ("2025-03-09", "2025-03-09 21:00", "2025-03-14 21:00"),
        ("2025-03-16", "2025-03-16 21:00", "2025-03-21 21:00"),
        ("2025-03-30", "2025-03-30 21:00", "2025-04-04 21:00"),
        ("2025-10-26", "2025-10-26 21:00", "2025-10-31 21:00"),
        ("2025-11-02", "2025-11-02 22:00", "2025-11-07 22:00"),
    ],
    ids=[
        "winter",
        "before the US change",
        "US alone in summer",
        "US alone",
        "both",
        "Europe alone in winter",
        "winter",
    ],
)
def test_a_week_of_currencies_follows_new_york_whatever_europe_does(sunday: str, opens: str, closes: str) -> None:
    week = market_sessions("fx", at(sunday), at(sunday) + 6 * DAY_NS)
    assert (week.open_ns.tolist(), week.close_ns.tolist()) == ([at(opens, "UTC")], [at(closes, "UTC")])


def test_currencies_rest_at_christmas_and_new_year() -> None:
    assert spans(market_sessions("fx", at("2024-12-22"), at("2025-01-03 20:00"))) == [
        "Sun 12-22 17:00 to Tue 12-24 17:00",
        "Wed 12-25 17:00 to Fri 12-27 17:00",
        "Sun 12-29 17:00 to Tue 12-31 17:00",
        "Wed 01-01 17:00 to Fri 01-03 17:00",
    ]


@pytest.mark.parametrize("calendar", ["metals", "index"])
@pytest.mark.parametrize("monday", ["2025-03-03", "2025-03-10", "2025-03-31", "2025-10-27", "2025-11-03"])
def test_futures_break_for_an_hour_each_day_in_new_york_time(calendar: str, monday: str) -> None:
    start = at(monday) - DAY_NS
    week = market_sessions(calendar, start, start + 6 * DAY_NS)
    assert {each[-5:] for each in new_york(week.open_ns)} == {"18:00"}
    assert {each[-5:] for each in new_york(week.close_ns)} == {"17:00"}
    assert [each[:3] for each in new_york(week.open_ns)] == ["Sun", "Mon", "Tue", "Wed", "Thu"]


def test_index_futures_keep_half_days_and_holidays() -> None:
    thanksgiving = market_sessions("index", at("2025-11-26 12:00"), at("2025-11-29"))
    assert spans(thanksgiving) == [
        "Tue 11-25 18:00 to Wed 11-26 17:00",
        "Wed 11-26 18:00 to Thu 11-27 13:00",
        "Thu 11-27 18:00 to Fri 11-28 13:15",
    ]
    good_friday = np.array([at("2025-04-17 16:00"), at("2025-04-18 10:00"), at("2025-04-20 19:00")])
    assert market_sessions("index", at("2025-04-16"), at("2025-04-22")).is_open(good_friday).tolist() == [
        True, False, True,
    ]  # fmt: skip


def test_metals_have_half_days_of_their_own() -> None:
    assert spans(market_sessions("metals", at("2025-05-25 12:00"), at("2025-05-27")))[0] == (
        "Sun 05-25 18:00 to Mon 05-26 14:30"
    )


@pytest.mark.parametrize("calendar", ["fx", "metals", "index"])
@pytest.mark.parametrize("year", [1971, 2003, 2031, 2100, 2199])
def test_a_calendar_reaches_as_far_as_stamps_do(calendar: str, year: int) -> None:
    found = market_sessions(calendar, at(f"{year}-02-01"), at(f"{year}-03-01"))
    assert 4 <= found.open_ns.size <= 21
    assert (found.open_ns < found.close_ns).all()
    assert (found.close_ns[:-1] <= found.open_ns[1:]).all()


def test_a_span_over_new_year_is_seamless() -> None:
    for calendar in ("fx", "metals", "index"):
        whole = market_sessions(calendar, at("2024-06-01"), at("2026-06-01"))
        parts = [market_sessions(calendar, at(f"{low}-06-01"), at(f"{low + 1}-06-01")) for low in (2024, 2025)]
        assert np.union1d(parts[0].open_ns, parts[1].open_ns).tolist() == whole.open_ns.tolist()


def test_an_unknown_calendar_is_refused() -> None:
    for word in ("inferred", "lunar"):
        with pytest.raises(ConfigError, match=f"'{word}' has no hours of its own"):
            market_sessions(word, 0, DAY_NS)


def test_the_calendar_library_is_loaded_only_when_sessions_are_asked_for() -> None:
    code = "import sys, agv2.data.sessions; sys.exit(any(name.startswith('pandas') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_slots_are_the_bars_of_a_complete_feed() -> None:
    sessions = Sessions("two", np.array([10, 100]) * MINUTE_NS, np.array([25, 130]) * MINUTE_NS)
    quarter = Timeframe(15)
    assert (sessions.slots(quarter, 0, 1000 * MINUTE_NS) // MINUTE_NS).tolist() == [0, 15, 90, 105, 120]
    assert (sessions.slots(quarter, 15 * MINUTE_NS, 120 * MINUTE_NS) // MINUTE_NS).tolist() == [15, 90, 105]
    assert sessions.slots(Timeframe(1), 0, 1000 * MINUTE_NS).size == 15 + 30
    assert sessions.slots(quarter, 5, 5).size == 0


def test_slots_follow_the_hours_at_which_a_feed_opens_its_bars() -> None:
    gold = market_sessions("metals", at("2025-03-02"), at("2025-03-15"))
    feed = np.concatenate(
        [
            at("2025-03-02 17:00") + np.arange(30) * 4 * HOUR_NS,
            at("2025-03-09 17:00") + np.arange(30) * 4 * HOUR_NS,
        ]
    )
    slots = gold.slots(Timeframe.parse("4h"), at("2025-03-02"), at("2025-03-15"), feed)
    assert slots.tolist() == feed.tolist()
    assert gold.slots(Timeframe.parse("4h"), at("2025-03-02"), at("2025-03-15")).tolist() != feed.tolist()


def test_a_moment_is_open_up_to_but_not_at_the_close() -> None:
    sessions = Sessions("one", np.array([10]), np.array([20]))
    assert sessions.is_open(np.array([9, 10, 19, 20])).tolist() == [False, True, True, False]
    nothing = Sessions("none", np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    assert not nothing.is_open(np.array([9])).any()


def test_a_file_round_the_clock_is_open_throughout() -> None:
    ts = grid("2024-12-05", "2025-03-20", "1h")
    found = inferred_sessions(np.delete(ts, [100, 101, 900]), Timeframe(60))
    assert (found.open_ns.tolist(), found.close_ns.tolist()) == ([ts[0]], [ts[-1] + HOUR_NS])


def test_a_thin_market_is_not_closed_every_other_minute() -> None:
    ts = grid("2024-01-01", "2024-04-01", "1m")
    thin = ts[np.random.default_rng(3).random(ts.size) < 0.3]
    found = inferred_sessions(thin, Timeframe(1))
    assert found.is_open(ts[:-60]).mean() > 0.999


def test_a_cash_session_is_found_in_both_seasons_to_the_minute() -> None:
    ts = cash_session("2024-06-03", "2024-12-28")
    found = inferred_sessions(ts, Timeframe(1))
    assert found.is_open(ts).all()
    assert {each[-5:] for each in new_york(found.open_ns)} == {"09:30"}
    assert {each[-5:] for each in new_york(found.close_ns)} == {"16:00"}
    assert {each[:3] for each in new_york(found.open_ns)} == {"Mon", "Tue", "Wed", "Thu", "Fri"}


def test_holidays_and_holes_end_no_session() -> None:
    ts = cash_session("2024-01-01", "2024-12-28")
    holes = np.isin(
        ts // DAY_NS, [at(f"2024-{date}", "UTC") // DAY_NS for date in ("01-15", "07-04", "07-05", "11-28")]
    )
    stray = np.array([at("2024-05-05 03:00")])
    found = inferred_sessions(np.sort(np.concatenate([ts[~holes], stray])), Timeframe(1))
    assert found.is_open(ts).all()
    assert not found.is_open(stray).any()


def test_hours_that_change_over_the_years_are_found_year_by_year() -> None:
    night = grid("2014-01-01", "2017-01-01", "1h")
    weekday, minute = new_york_clock(night)
    day_only = (night >= at("2015-01-01")) & (night < at("2016-01-01")) & ((minute < 120) | (minute >= 1020))
    ts = night[(weekday < 5) & ~day_only]
    found = inferred_sessions(ts, Timeframe(60))
    midnight = [at("2014-06-04 00:00"), at("2015-06-03 00:00"), at("2016-06-01 00:00")]
    assert found.is_open(np.array(midnight)).tolist() == [True, False, True]
    assert found.is_open(ts).mean() > 0.99


def test_a_break_in_the_night_of_the_clock_change_keeps_local_time() -> None:
    ts = grid("2025-01-05", "2025-12-20", "1h")
    weekday, minute = new_york_clock(ts)
    upkeep = (weekday == 6) & (minute >= 180) & (minute < 300)
    found = inferred_sessions(ts[~upkeep], Timeframe(60))
    assert (found.is_open(ts) == ~upkeep).all()


def test_a_file_of_a_week_has_no_break_for_a_missing_minute() -> None:
    ts = cash_session("2024-06-03", "2024-06-08")
    found = inferred_sessions(np.delete(ts, [5, 6, 50, 700]), Timeframe(1))
    assert found.open_ns.size == 5
    assert found.is_open(ts).all()


def test_a_few_bars_of_the_year_before_are_no_year_of_their_own() -> None:
    ts = np.concatenate([[at("2024-12-31 19:00")], cash_session("2025-01-02", "2025-06-01")])
    assert not inferred_sessions(ts, Timeframe(1)).is_open(ts[:1]).any()


def test_daily_bars_of_a_week_show_its_days() -> None:
    ts = grid("2024-01-01", "2025-01-01", "1d")
    weekdays = ts[(ts // DAY_NS + 3) % 7 < 5]
    found = inferred_sessions(weekdays, Timeframe(1440))
    assert found.slots(Timeframe(1440), int(weekdays[0]), int(weekdays[-1]) + 1).tolist() == weekdays.tolist()


def test_one_bar_and_none_have_sessions_too() -> None:
    one = inferred_sessions(np.array([at("2025-06-10 10:00")]), Timeframe(60))
    assert spans(one) == ["Tue 06-10 10:00 to Tue 06-10 11:00"]
    assert inferred_sessions(np.empty(0, dtype=np.int64), Timeframe(60)).open_ns.size == 0
    assert sessions_of("metals", bars_at(np.empty(0, dtype=np.int64), "1h"))[0].open_ns.size == 0


def a_year_of_gold(timeframe: str = "1h") -> np.ndarray:
    ts = grid("2024-01-07", "2024-12-20", timeframe)
    return ts[market_sessions("metals", int(ts[0]), int(ts[-1])).is_open(ts)]


def test_bars_that_fit_are_held_against_their_calendar() -> None:
    gold = a_year_of_gold()
    sessions, note = sessions_of("metals", bars_at(np.delete(gold, np.arange(200, 900)), "1h"))
    assert note is None
    assert sessions.name == "metals"
    assert sessions.slots(Timeframe(60), int(gold[0]), int(gold[-1]) + 1).tolist() == gold.tolist()


@pytest.mark.parametrize("hours", [-12, -7, -2, 1, 3, 7, 11])
@pytest.mark.parametrize("calendar", ["metals", "index", "fx"])
def test_a_clock_that_is_hours_wrong_is_not_excused(calendar: str, hours: int) -> None:
    ts = grid("2024-01-07", "2024-12-20", "1h")
    shifted = ts[market_sessions(calendar, int(ts[0]), int(ts[-1])).is_open(ts)] + hours * HOUR_NS
    sessions, note = sessions_of(calendar, bars_at(shifted, "1h"))
    assert note is None
    assert not sessions.is_open(shifted).all()


def test_a_feed_that_rests_at_weekends_contradicts_a_market_that_does_not() -> None:
    ts = grid("2023-01-02", "2024-12-28", "1h")
    weekdays = ts[market_sessions("fx", int(ts[0]), int(ts[-1])).is_open(ts)]
    sessions, note = sessions_of("24/7", bars_at(weekdays, "1h"))
    assert note is not None
    assert "contradict the calendar 24/7 (2023 to 2024: 28% of its slots never have a bar)" in note
    assert "\n" not in note
    assert sessions.name == "inferred from the file"
    assert not sessions.is_open(np.array([at("2024-06-08 12:00")])).any()


def test_only_the_years_without_nights_are_inferred() -> None:
    ts = grid("2014-01-05", "2016-12-30", "1h")
    ts = ts[market_sessions("index", int(ts[0]), int(ts[-1])).is_open(ts)]
    _, minute = new_york_clock(ts)
    no_night = (ts >= at("2015-01-01")) & (ts < at("2016-01-01")) & ((minute < 120) | (minute >= 1020))
    sessions, note = sessions_of("index", bars_at(ts[~no_night], "1h"))
    assert note is not None
    assert "(2015: 35% of its slots never have a bar)" in note
    assert sessions.name == "index futures (CME), in part inferred from the file"
    holiday = np.array([at("2014-07-04 14:00"), at("2016-07-04 14:00")])
    assert not sessions.is_open(holiday).any()
    nights = np.array([at("2014-06-04 00:00"), at("2015-06-03 00:00"), at("2016-06-01 00:00")])
    assert sessions.is_open(nights).tolist() == [True, False, True]
    assert (sessions.open_ns[1:] > sessions.close_ns[:-1]).all()


def test_bars_where_the_market_is_closed_contradict_it() -> None:
    sessions, note = sessions_of("metals", bars_at(grid("2024-01-01", "2024-06-01", "1h"), "1h"))
    assert note is not None
    assert "of the bars lie outside its sessions" in note
    assert sessions.open_ns.size == 1


def test_a_week_with_a_hole_is_no_contradiction() -> None:
    week = a_year_of_gold()[:115]
    assert sessions_of("metals", bars_at(np.delete(week, np.arange(30, 80)), "1h"))[1] is None


def test_a_market_without_a_calendar_is_inferred_with_a_note() -> None:
    sessions, note = sessions_of("inferred", bars_at(cash_session("2024-06-03", "2024-08-01"), "1m"))
    assert sessions.name == "inferred from the file"
    assert note is not None
    assert note.startswith("no calendar is set for this market")


@pytest.mark.parametrize("n_bars", [1, 2, 5, 40])
def test_sessions_of_short_files_are_sound(n_bars: int) -> None:
    for calendar in ("24/7", "fx", "metals", "index", "inferred"):
        ts = at("2025-06-08 18:00") + np.arange(n_bars) * 15 * MINUTE_NS
        sessions, _ = sessions_of(calendar, bars_at(ts, "15m"))
        assert sessions.is_open(ts).all()
        assert (sessions.open_ns < sessions.close_ns).all()
