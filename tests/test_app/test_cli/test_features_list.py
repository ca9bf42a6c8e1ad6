"""`agv2 features list` as a person and as a program call it."""

import json
import re

import pytest

from agv2.app.cli.main import main
from agv2.core.timeframes import Timeframe
from agv2.features.pipeline import FEATURES, feature_columns


def listed(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as leaving:
        main(["features", "list", *words])
    assert leaving.value.code == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def test_every_feature_has_a_line_and_the_heat_map_one(capsys: pytest.CaptureFixture[str]) -> None:
    text = listed(capsys)
    for spec in FEATURES:
        if not spec.name.startswith("heatmap_"):
            assert sum(line.split()[:1] == [spec.name] for line in text.splitlines()) == 1, spec.name
    assert "heatmap_00 .. heatmap_31" in text
    assert "heatmap_07" not in text
    line = next(line for line in text.splitlines() if line.split()[:1] == ["range"])
    assert line.split()[4:] == [
        "sigma",
        "0",
        "to",
        "20",
        "1",
        "257",
        "261",
        "1,489",
        "the",
        "close",
        "of",
        "the",
        "bar",
    ]
    warmup = max(column.lookback for column in feature_columns(Timeframe.parse("1h"))) - 1
    assert f"the first {warmup:,} bars have no complete row; that is {warmup:,} hours of trading" in text


def test_all_shows_each_column_of_the_heat_map_and_the_timeframe_is_the_users(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = listed(capsys, "--all", "--timeframe", "5m")
    assert text.count("heatmap_") >= 32
    assert "heatmap_07" in text
    assert "159 columns. A feature on 15m or 1h, such as heatmap_31@1h" in text


def test_a_narrow_terminal_gets_what_fits(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    monkeypatch.setattr(Console, "is_terminal", property(lambda _: True))
    monkeypatch.setenv("COLUMNS", "80")
    text = re.sub(r"\x1b\[[\d;]*m", "", listed(capsys))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert all(spec.name in text for spec in FEATURES if not spec.name.startswith("heatmap_"))


def test_programs_get_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(listed(capsys, "--json", "--timeframe", "30m"))
    columns = feature_columns(Timeframe.parse("30m"))
    assert [column["name"] for column in document["columns"]] == [column.name for column in columns]
    assert document["warmup_bars"] == max(column["lookback_base_bars"] for column in document["columns"]) - 1
    assert document["columns"][0] == {
        "name": "log_return_1", "feature": "log_return_1", "timeframe": "30m", "meaning": FEATURES[0].meaning,
        "unit": "sigma", "low": -20.0, "high": 20.0, "lookback": 2, "lookback_base_bars": 257,
        "known_at": "the close of the bar",
    }  # fmt: skip


def test_what_is_no_timeframe_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "timeframe 'soon' is not understood" in listed(capsys, "--timeframe", "soon", code=1)
