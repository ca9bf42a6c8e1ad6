from pathlib import Path

import numpy as np
import pytest

from agv2.core.arrays import IntArray
from agv2.core.errors import ConfigError
from agv2.data.importers.clocks import parse_clock
from agv2.data.importers.stamp_text import stated_layout
from agv2.data.importers.vendor_rows import ReadOptions
from tests.test_data.test_importers.layouts import ns_of
from tests.test_data.test_importers.test_formats import FXCM, FXCM_ASK, MT4, TICKS, imported, problem_of

UTC = parse_clock("UTC")


def mt4(*minutes: int, price: float = 2.0) -> str:
    return "".join(f"2025.01.02,01:{minute:02d},{price},3,1,2,7\n" for minute in minutes)


def minutes_of(found: IntArray) -> list[int]:
    return [int(each) for each in (found - ns_of("2025-01-02 01:00")) // 60_000_000_000]


def test_files_become_one_series_in_any_order(tmp_path: Path) -> None:
    found = imported(tmp_path, mt4(5, 6, 7), mt4(1, 2, 3, 4), clock=UTC)
    assert minutes_of(found.bars.ts_ns) == [1, 2, 3, 4, 5, 6, 7]
    assert (found.rows, found.n_repeated, found.n_falling) == (7, 0, 0)


def test_identical_overlap_is_dropped_and_counted(tmp_path: Path) -> None:
    found = imported(tmp_path, mt4(1, 2, 3), mt4(2, 3, 4), clock=UTC)
    assert minutes_of(found.bars.ts_ns) == [1, 2, 3, 4]
    assert found.n_repeated == 2


def test_contradicting_overlap_is_refused_with_both_places(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, mt4(1, 2, 3), mt4(2, 3, 4, price=2.5), clock=UTC)
    assert "2 stamps carry different bars, the first 2025-01-02 01:02:00 UTC" in problem
    assert "file0.csv line 2 and file1.csv line 1" in problem


@pytest.mark.parametrize(("prefer", "opens"), [("first", [2.0, 2.0, 2.0, 2.5]), ("last", [2.0, 2.5, 2.5, 2.5])])
def test_a_stated_preference_settles_it(tmp_path: Path, prefer: str, opens: list[float]) -> None:
    found = imported(tmp_path, mt4(1, 2, 3), mt4(2, 3, 4, price=2.5), clock=UTC, prefer=prefer)
    assert found.bars.open.tolist() == opens
    assert (found.n_settled, found.n_repeated) == (2, 0)


def test_repeats_among_contradictions_are_told_apart(tmp_path: Path) -> None:
    text = mt4(1, 2) + mt4(2) + mt4(2, price=2.5) + mt4(3)
    assert "1 stamps carry different bars" in problem_of(tmp_path, text, clock=UTC)
    found = imported(tmp_path, text, clock=UTC, prefer="first")
    assert (found.n_repeated, found.n_settled, len(found.bars)) == (1, 1, 3)


def test_rows_out_of_order_are_sorted_and_counted(tmp_path: Path) -> None:
    found = imported(tmp_path, mt4(1, 4, 2, 3, 5), clock=UTC)
    assert minutes_of(found.bars.ts_ns) == [1, 2, 3, 4, 5]
    assert found.n_falling == 1


def test_a_file_given_twice_is_refused(tmp_path: Path) -> None:
    assert "given twice" in problem_of(tmp_path, ("a.csv", MT4), ("./a.csv", MT4), clock=UTC)


def test_files_of_two_formats_are_refused(tmp_path: Path) -> None:
    assert "one series of one format" in problem_of(tmp_path, MT4, FXCM, clock=UTC)


def test_one_spoilt_file_imports_nothing(tmp_path: Path) -> None:
    assert "file1.csv: line 2" in problem_of(tmp_path, mt4(1, 2), mt4(3) + "2025.01.02,01:04,x,3,1,2,7", clock=UTC)


def test_overlapping_ticks_are_refused(tmp_path: Path) -> None:
    assert "give every tick once" in problem_of(tmp_path, TICKS, TICKS + "\n")


def test_bars_of_one_side_alone_are_noted(tmp_path: Path) -> None:
    extra = "2012-02-01 00:02:00+00:00,1.5,1.6,1.4,1.5\n"
    found = imported(tmp_path, ("b_bid.csv", FXCM + extra), ("b_ask.csv", FXCM_ASK))
    assert "1 bid bars have no ask bar: spread unknown there" in found.notes
    assert np.isnan(found.bars.spread[2])
    found = imported(tmp_path, ("b_bid.csv", FXCM), ("b_ask.csv", FXCM_ASK + extra))
    assert "1 ask bars have no bid bar: left out" in found.notes
    assert len(found.bars) == 2


def test_an_autumn_hour_that_is_shown_twice_is_joined_in_its_order(tmp_path: Path) -> None:
    stamps = ("02:30", "03:00", "03:30", "03:00", "03:30", "04:00")
    rows = "".join(f"2025.10.26,{stamp},{i + 2},9,1,{i + 2},7\n" for i, stamp in enumerate(stamps))
    found = imported(tmp_path, rows, clock=parse_clock("Europe/Athens"))
    assert found.bars.open.tolist() == [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    assert np.diff(found.bars.ts_ns).tolist() == [30 * 60_000_000_000] * 5
    assert found.n_ambiguous == 4


@pytest.mark.parametrize("text", ["%d/%m", "%H:%M", "epoch", "nonsense"])
def test_a_stamp_format_without_a_date_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--ts-format"):
        stated_layout(text)


def test_a_stamp_format_that_no_row_has_is_refused(tmp_path: Path) -> None:
    rows = "".join(f"01/14/2015, 08:3{minute}, 1, 2, 1, 2, 7\n" for minute in range(3))
    options = ReadOptions(stamp_layout=stated_layout("%d/%m/%Y %H:%M"))
    text = f"Date, Time, Open, High, Low, Close, Volume\n{rows}"
    problem = problem_of(tmp_path, text, clock=UTC, stamps="open", options=options)
    assert "line 2: stamp is not of the form %d/%m/%Y %H:%M within 1970 to 2200" in problem
    assert "(as all rows are)" in problem
