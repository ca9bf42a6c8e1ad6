"""`agv2 features export` and `inspect` as a person and as a program call them."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from agv2.data.bars_file import write_bars
from agv2.data.price_action_dataset import read_windows
from tests.command_line import called
from tests.quality_markets import clean_bars


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{symbol}_1h.parquet" for symbol in ("XAUUSD", "XAGUSD")]
    for path in paths:
        write_bars(clean_bars(1_600, symbol=path.stem[:6]), path)
    return [str(path) for path in paths]


def test_a_file_is_written_and_inspected(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = called(capsys, "features", "export", "--bars", *files, "--window", "32", "--stride", "2")
    assert said.code == 0, said.err
    first, last = said.out.splitlines()
    assert first.startswith("82 windows of 32 bars × 159 features, one every 2 bars: 1.7 MB in memory, about 0.")
    assert last.startswith("data/encoder_windows.parquet: written, 0.")
    said = called(capsys, "features", "inspect", "data/encoder_windows.parquet")
    assert said.code == 0, said.err
    assert "82 windows of 32 bars × 159 features" in said.out
    assert "1h bars, a window every 2, features as computed" in said.out
    assert "symbols: XAUUSD 41, XAGUSD 41" in said.out
    assert "regime_label: trend" in said.out
    assert "future_returns over 12 bars: 70 known" in said.out


def test_json_is_all_there_is_on_standard_output(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "w.parquet"
    words = ("export", "--bars", files[0], "--out", out, "--symbol", "GOLD", "--window", "32", "--normalised")
    assert called(capsys, "features", *words, "--until", "2018-04-09").code == 0
    document = json.loads(called(capsys, "features", "inspect", out, "--json").out)
    assert (document["windows"], document["window"], document["features"]) == (81, 32, 159)
    assert (document["symbols"], document["normalised"]) == ({"GOLD": 81}, True)
    assert document["known_until"] == "2018-04-09T00:00:00Z"
    assert document["labels"]["sr_heatmap"]["unknown"] > 0
    for each in document["labels"].values():
        assert not each["shares"] or abs(sum(each["shares"].values()) - 1.0) < 1e-12
    assert [each["horizon"] for each in document["future_returns"]] == [1, 3, 12]


def test_an_existing_file_is_kept_unless_forced(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "w.parquet"
    out.write_text("precious")
    words = ("export", "--bars", files[0], "--out", out, "--window", "32", "--no-labels")
    said = called(capsys, "features", *words)
    assert (said.code, said.out) == (1, "")
    assert "exists already; write elsewhere, or replace it with --force" in said.err
    assert out.read_text() == "precious"
    assert called(capsys, "features", *words, "--force").code == 0
    assert read_windows(out).column_names == ("features", "ts", "symbol", "sigma")


def test_bars_are_not_written_over_even_when_forced(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path(files[0]).read_bytes()
    (tmp_path / "link.parquet").symlink_to(files[0])
    for out in (files[0], tmp_path / "link.parquet"):
        said = called(
            capsys, "features", "export", "--bars", files[0], "--out", out, "--window", "32", "--no-labels", "--force"
        )
        assert (said.code, said.out) == (1, "")
        assert "these are the bars to read; write elsewhere" in said.err
    assert Path(files[0]).read_bytes() == before


def test_a_file_of_another_tool_needs_its_window_stated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w.parquet"
    pl.DataFrame({"features": np.ones((7, 12), dtype=np.float32)}).write_parquet(path)
    said = called(capsys, "features", "inspect", path)
    assert said.code == 1
    assert "rows of 12 numbers, and the file does not say how many bars that is; say --window or --features" in said.err
    for words in (("--window", "4"), ("--features", "3")):
        said = called(capsys, "features", "inspect", path, *words)
        assert said.code == 0
        assert "7 windows of 4 bars × 3 features" in said.out
        assert "written by another tool" in said.out
    assert json.loads(called(capsys, "features", "inspect", path, "--window", "4", "--json").out)["labels"] == {}


def test_a_row_that_cannot_be_used_fails_the_inspection(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w.parquet"
    values = np.ones((7, 12), dtype=np.float32)
    values[5, 4] = np.nan
    pl.DataFrame({"features": values}).write_parquet(path)
    said = called(capsys, "features", "inspect", path, "--window", "4")
    assert (said.code, said.out) == (1, "")
    assert "row 5: feature 1 of bar 1 of the window is nan" in said.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--out", "w.csv"), 1, "end the name with .parquet"),
        (("--window", "512"), 1, "1,600 bars are too few; 2,000 are needed"),
        (("--until", "soon"), 1, "not a date"),
        (("--until", "2017-01-01"), 1, "no window ends before it"),
        (("--set", "markets.GOLD.leverage=3"), 1, "no symbol of this run is GOLD"),
        (("--stride", "0"), 2, "--stride"),
        (("--window", "few"), 2, "--window"),
    ],
)
def test_what_cannot_be_written_is_one_clear_line(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str
) -> None:
    defaults = ("--out", str(tmp_path / "w.parquet")) if "--out" not in words else ()
    small = ("--window", "32") if "--window" not in words else ()
    found = called(capsys, "features", "export", "--bars", files[0], *defaults, *small, *words)
    assert found.code == code
    assert said in found.err
    assert code == 2 or len(found.err.strip().splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {Path(file).name for file in files}


PAGE = (Path(__file__).resolve().parents[3] / "docs/encoder_windows.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def test_the_examples_of_the_page_run_on_a_file_of_the_commands(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert called(capsys, "features", "export", "--bars", files[0], "--window", "32").code == 0
    assert len(EXAMPLES) == 3
    for example in EXAMPLES:
        exec(compile(example, "docs/encoder_windows.md", "exec"), {"__name__": "example"})
    assert "(81, 32, 159)" in capsys.readouterr().out


def test_the_page_names_the_columns_and_the_header_as_they_are(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "w.parquet"
    assert called(capsys, "features", "export", "--bars", files[0], "--out", out, "--window", "32").code == 0
    table = PAGE.split("## Columns")[1].split("\n\n")[2]
    assert set(re.findall(r"^\| `(\w+)`", table, flags=re.MULTILINE)) == set(pl.read_parquet_schema(out))
    header = json.loads(pl.read_parquet_metadata(out)["agv2.windows"])
    assert [key for key in header if f"`{key}`" not in PAGE] == []
