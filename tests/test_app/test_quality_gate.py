"""No run starts on bars that would make it lie, unless its user says so aloud."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from agv2.app.market_preparation import prepare_markets
from agv2.app.quality_gate import ACCEPTED, admit_files
from agv2.app.run import run
from agv2.app.run_plan import RunRequest
from agv2.app.settings import load_settings
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.data.bars_file import write_bars
from agv2.data.raw_bars import RawBars
from tests.quality_markets import HOUR_NS, clean_bars, joined, restamped, taken
from tests.recomputed_account import disagreements

SETTINGS = load_settings(None, [])
BARS = clean_bars(3_000)


def written(folder: Path, bars: Bars = BARS, symbol: str = "XAUUSD") -> Path:
    path = folder / f"{symbol}_1h.parquet"
    write_bars(bars, path)
    return path


def with_conflict(path: Path, row: int) -> Path:
    """The file with a second, different bar at one stamp."""
    frame = pl.read_parquet(path).with_row_index()
    other = frame.filter(pl.col("index") == row).with_columns(close=pl.col("open"), volume=pl.col("volume") + 1.0)
    pl.concat([frame, other]).sort("index", maintain_order=True).drop("index").write_parquet(path)
    return path


def stale(bars: Bars) -> Bars:
    columns = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close")}
    for values in columns.values():
        values[200:1_000] = bars.close[199]
    return replace(bars, **columns)


def daily_before(bars: Bars) -> Bars:
    early = replace(bars.slice(0, 60), ts_ns=bars.ts_ns[0] - np.arange(60, 0, -1) * 24 * HOUR_NS)
    rows = joined(RawBars.of(early), RawBars.of(bars))
    return Bars(
        bars.symbol, bars.timeframe, rows.ts_ns, rows.open, rows.high, rows.low, rows.close, rows.volume, rows.spread
    )


def test_a_clean_file_is_admitted_without_a_word(tmp_path: Path) -> None:
    (admitted,) = admit_files([written(tmp_path)], [], SETTINGS)
    assert len(admitted.loaded.bars) == len(BARS)
    assert admitted.notes == ()


def test_warnings_never_stop_a_run_and_are_told(tmp_path: Path) -> None:
    kept = np.ones(len(BARS), dtype=np.bool_)
    kept[600:615] = False
    (admitted,) = admit_files([written(tmp_path, taken(BARS, kept))], [], SETTINGS)
    assert admitted.accepted == ()
    assert admitted.notes == ("bars: gaps inside sessions 1; `agv2 data check XAUUSD_1h.parquet` tells where",)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (stale, "stale feed, 800 bars"),
        (daily_before, "mixed granularity, 60 rows"),
        (lambda bars: restamped(bars, lambda ts_ns: ts_ns + 7 * HOUR_NS), "wrong time zone"),
        (lambda bars: replace(bars, **{name: np.where(np.arange(len(bars)) < 1_500, 1.0, 3.0) * getattr(bars, name)
                                       for name in ("open", "high", "low", "close")}), "splice of feeds, 1 places"),
    ],
    ids=["stale", "mixed", "zone", "splice"],
)  # fmt: skip
def test_an_error_stops_a_run_with_one_line_and_its_remedies(spoil, words: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # one of the four above
    path = written(tmp_path, spoil(BARS))
    with pytest.raises(DataError) as caught:
        admit_files([path], [], SETTINGS)
    message = str(caught.value)
    assert message.startswith(f"{path}: {words}")
    assert "\n" not in message
    for remedy in (f"`agv2 data check {path}`", "--repair OUT.parquet", "--accept-defects"):
        assert remedy in message
    (admitted,) = admit_files([path], [], SETTINGS, accept_defects=True)
    assert admitted.accepted[0].startswith(words)
    assert admitted.notes[0].startswith(f"{ACCEPTED}: {words}")


def test_the_worst_is_named_and_the_others_are_counted(tmp_path: Path) -> None:
    path = with_conflict(written(tmp_path, stale(BARS)), 5)
    with pytest.raises(DataError, match=r"stale feed, 800 bars.*, and 1 more kinds of error; see them"):
        admit_files([path], [], SETTINGS)


def test_rows_that_are_no_bars_are_left_out_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path)
    frame = pl.read_parquet(path).with_row_index()
    frame = frame.with_columns(
        close=pl.when(pl.col("index") == 7).then(None).when(pl.col("index") == 8).then(-1.0).otherwise(pl.col("close")),
        high=pl.when(pl.col("index") == 9).then(pl.col("low") / 2).otherwise(pl.col("high")),
    )
    frame.drop("index").write_parquet(path)
    (admitted,) = admit_files([path], [], SETTINGS, accept_defects=True)
    assert len(admitted.loaded.bars) == len(BARS) - 3
    assert len(admitted.accepted) == 3
    assert "3 rows with missing, non-positive or impossible prices left out" in admitted.notes


def test_a_file_that_cannot_be_read_stays_refused(tmp_path: Path) -> None:
    path = tmp_path / "XAUUSD_1h.parquet"
    path.write_text("no bars")
    with pytest.raises(DataError, match="not a complete Parquet file"):
        admit_files([path], [], SETTINGS, accept_defects=True)
    write_bars(BARS.slice(0, 1), path)
    with pytest.raises(DataError, match="one bar only"):
        admit_files([path], [], SETTINGS, accept_defects=True)


def test_an_unknown_market_is_held_against_its_own_hours(tmp_path: Path) -> None:
    (admitted,) = admit_files([written(tmp_path, BARS, "MINE")], [], SETTINGS)
    assert admitted.accepted == ()


def test_a_refused_run_writes_nothing(tmp_path: Path) -> None:
    path = with_conflict(written(tmp_path), 2_900)
    with pytest.raises(DataError, match="conflicting duplicates, 1 stamps"):
        run(RunRequest(bars=(path,), out=tmp_path / "out", quiet=True))
    assert not (tmp_path / "out").exists()


def test_another_threshold_admits_the_file(tmp_path: Path) -> None:
    from agv2.utils.config import parse_override

    loose = load_settings(None, [parse_override("quality.stale.error_share=0.5")])
    (market,) = prepare_markets([written(tmp_path, stale(BARS))], [], loose)
    assert market.accepted_defects == ()
    assert any("stale stretches 800" in note for note in market.notes)


def test_an_accepted_run_says_so_everywhere_and_its_account_recomputes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGV2_SMOKE", "1")
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    path = with_conflict(written(tmp_path), 2_900)
    out = run(RunRequest(bars=(path,), out=tmp_path / "out", quiet=True, accept_defects=True)).out
    words = "conflicting duplicates, 1 stamps"
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert any(note.startswith(f"XAUUSD: {ACCEPTED}: {words}") for note in summary["notes"])
    provenance = json.loads((out / "provenance.json").read_text(encoding="utf-8"))
    (source,) = provenance["bars"]
    assert source["accepted_defects"][0].startswith(words)
    report = (out / "report.html").read_text(encoding="utf-8")
    assert '<p class="warning">XAUUSD: DEFECTS ACCEPTED' in report
    first = pl.read_parquet(path).unique("ts", keep="first", maintain_order=True)
    clean = tmp_path / "first.parquet"
    first.write_parquet(clean)
    assert disagreements(out, {"XAUUSD": clean}) == []
