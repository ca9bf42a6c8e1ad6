"""`agv2 features plot` as a person calls it."""

import datetime
from pathlib import Path

import pytest

from agv2.app.cli.main import main
from agv2.data.bars_file import write_bars
from tests.markets import gappy_bars

BARS = gappy_bars(2_000)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "XAUUSD_1h.parquet"
    write_bars(BARS, path)
    return path


def plotted(capsys: pytest.CaptureFixture[str], *words: str | Path, code: int = 0) -> str:
    with pytest.raises(SystemExit) as leaving:
        main(["features", "plot", *(str(word) for word in words)])
    assert leaving.value.code == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def moment(ts_ns: int) -> str:
    return datetime.datetime.fromtimestamp(ts_ns // 1_000_000_000, datetime.UTC).strftime("%Y-%m-%dT%H:%M")


def test_a_page_is_written_and_named(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "gold.html"
    text = plotted(capsys, "--bars", file, "--out", out, "--last", "100")
    assert text.startswith(f"{out}: 100 bars of XAUUSD, 1h, up to {moment(int(BARS.ts_ns[-1])).replace('T', ' ')}")
    assert "heatmap on 4h" in out.read_text(encoding="utf-8")


def test_a_moment_shows_what_was_known_then_and_nothing_later(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = moment(int(BARS.close_ns[1_800]))
    cut = tmp_path / "cut" / "XAUUSD_1h.parquet"
    cut.parent.mkdir()
    write_bars(BARS.slice(0, 1_801), cut)
    pages = []
    for words in ((file, "--at", at), (cut,)):
        plotted(capsys, "--bars", *words, "--out", tmp_path / "page.html")
        pages.append((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert pages[0] == pages[1]


def test_what_cannot_be_drawn_is_one_clear_line(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in (
        (("--out", tmp_path / "gold.png"), "end the name with .html"),
        (("--out", tmp_path / "a.html", "--last", "600"), "2,000 bars of 1h, 2,088 are needed"),
        (("--out", tmp_path / "a.html", "--at", "1999-01-01"), "0 bars of 1h until 1999-01-01"),
        (("--out", tmp_path / "a.html", "--at", "noon"), "--at noon: not a date"),
        (("--out", file / "a.html"), "cannot be written"),
    ):
        assert message in plotted(capsys, "--bars", file, *words, code=1)
    assert not (tmp_path / "a.html").exists()
