from pathlib import Path

import numpy as np
import pytest

from agv2.core.arrays import IntArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.data.importers.clock_evidence import ClockFinding, find_clock
from agv2.data.importers.clocks import CANDIDATES, Clock, parse_clock, to_utc
from agv2.data.importers.import_bars import import_bars
from agv2.data.importers.import_request import ImportRequest
from tests.test_data.test_importers.layouts import a_market, on_clock, shown_by, write

ATHENS, SERVER = parse_clock("Europe/Athens"), parse_clock("New York+7")


def found_in(bars: Bars, clock: Clock, stamps: str = "open", *, both: bool = False) -> ClockFinding:
    readings, rows = np.unique(on_clock(bars, clock, stamps), return_index=True)
    log_range = np.log(bars.high / bars.low)[rows]
    return find_clock(readings, log_range, bars.timeframe, CANDIDATES, ("open", "close") if both else ("open",))


def picked(bars: Bars, rows: IntArray) -> Bars:
    columns = (getattr(bars, name)[rows] for name in ("ts_ns", "open", "high", "low", "close", "volume", "spread"))
    return Bars(bars.symbol, bars.timeframe, *columns)


@pytest.mark.parametrize("clock", CANDIDATES, ids=lambda clock: clock.name)
@pytest.mark.parametrize("hours", ["futures", "fx", "cash"])
def test_a_year_shows_its_clock(hours: str, clock: Clock) -> None:
    bars = a_market("2024-11-15", 330, "30m", hours)
    finding = found_in(bars, clock)
    assert finding.best is not None, finding.reason
    assert finding.sure == "high"
    readings = np.unique(on_clock(bars, clock))
    np.testing.assert_array_equal(to_utc(readings, finding.best.clock).ts_ns, to_utc(readings, clock).ts_ns)
    assert finding.allows(clock, "open", readings)


def test_three_winter_weeks_show_the_hour_but_not_whose_summer_it_will_be() -> None:
    finding = found_in(a_market("2025-01-05", 26, "15m"), ATHENS)
    assert finding.best is not None
    assert finding.sure == "moderate"
    assert {finding.best.clock.name, *finding.same} == {
        "New York + 7 h (server)", "Europe/Athens (EET/EEST)", "UTC+2 all year"
    }  # fmt: skip


def test_sessions_fixed_on_a_servers_own_clock_do_not_deceive() -> None:
    # A server on European dates that opens at 0:00 of its own clock all year looks, by its weeks, like New York + 7.
    every = a_market("2024-11-15", 330, "30m", "always")
    shown = shown_by(ATHENS, every.ts_ns) // 60_000_000_000
    weekdays = np.flatnonzero((shown + 3 * 1440) % 10080 < 5 * 1440)
    finding = found_in(picked(every, weekdays), ATHENS)
    assert finding.best is not None
    assert finding.best.clock.zone == "Europe/Athens"
    assert "keeps its hours" in finding.reason


@pytest.mark.parametrize("stamps", ["open", "close"])
@pytest.mark.parametrize(("timeframe", "hours"), [("1m", "cash"), ("5m", "cash"), ("1m", "futures"), ("15m", "fx")])
def test_the_breaks_show_which_end_of_a_bar_is_stamped(timeframe: str, hours: str, stamps: str) -> None:
    bars = a_market("2025-02-20", 40, timeframe, hours)
    clock = parse_clock("America/Chicago")
    finding = found_in(bars, clock, stamps, both=True)
    assert finding.best is not None, finding.reason
    assert finding.best.stamps == stamps
    readings = on_clock(bars, clock, stamps)
    shift = bars.timeframe.nanoseconds if stamps == "close" else 0
    np.testing.assert_array_equal(to_utc(readings, finding.best.clock).ts_ns - shift, bars.ts_ns)


def test_an_odd_opening_by_the_minute_shows_the_end_by_whole_five_minutes() -> None:
    every = a_market("2025-01-05", 40, "1m", "futures")
    day = (shown_by(SERVER, every.ts_ns) // 60_000_000_000) % 1440
    quoted = np.flatnonzero((day >= 65) & (day < 1430))  # 1:05 to 23:50
    bars = picked(every, quoted)
    for stamps in ("open", "close"):
        finding = found_in(bars, SERVER, stamps, both=True)
        assert finding.best is not None, finding.reason
        assert finding.best.stamps == stamps


@pytest.mark.parametrize(
    ("bars", "reason"),
    [
        (a_market("2025-01-05", 90, "1h", "always"), "neither weekly breaks nor cash sessions"),
        (a_market("2025-01-05", 12, "15m", "fx"), "only 1 weekly breaks"),
        (a_market("2025-01-06", 4, "5m", "cash"), "only 3 daily breaks|neither"),
    ],
    ids=["round the clock", "twelve days", "four sessions"],
)
def test_too_little_evidence_finds_nothing(bars: Bars, reason: str) -> None:
    finding = found_in(bars, ATHENS)
    assert finding.best is None
    assert any(each in finding.reason for each in reason.split("|"))


def test_a_clock_that_is_no_candidate_is_not_found() -> None:
    finding = found_in(a_market("2024-11-15", 330, "30m", "fx"), parse_clock("Asia/Tokyo"))
    assert finding.best is None
    assert finding.scores


def test_an_import_without_evidence_names_the_remedy_and_shows_what_it_had(tmp_path: Path) -> None:
    bars = a_market("2025-01-05", 5, "1h", "always")
    path = write(tmp_path / "BTCUSD60.csv", "mt4", bars, on_clock(bars, ATHENS))
    shown: list[ClockFinding] = []
    with pytest.raises(DataError, match=r"whose clock its stamps show.*say --timezone ZONE$"):
        import_bars(ImportRequest((path,)), on_evidence=shown.append)
    assert len(shown) == 1


def test_a_stated_clock_that_the_bars_contradict_gets_a_note(tmp_path: Path) -> None:
    bars = a_market("2025-01-05", 60, "1h", "fx")
    path = write(tmp_path / "EURUSD60.csv", "mt4", bars, on_clock(bars, ATHENS))
    found = import_bars(ImportRequest((path,), clock=parse_clock("UTC")))
    assert any("the bars look like stamps of" in note for note in found.notes)
    right = import_bars(ImportRequest((path,), clock=ATHENS))
    assert not any("the bars look like" in note for note in right.notes)


def test_a_stamp_that_the_clock_skipped_is_refused_with_its_line(tmp_path: Path) -> None:
    bars = a_market("2025-03-29", 3, "1h", "always")
    path = write(tmp_path / "BTCUSD60.csv", "mt4", bars, bars.ts_ns)
    with pytest.raises(DataError, match=r"line 28 is stamped 2025-03-30 03:00:00, which Europe/Athens skipped"):
        import_bars(ImportRequest((path,), clock=ATHENS))
