from pathlib import Path

import pytest

from agv2.app.cli.main import main
from agv2.data.bars_file import read_bars


def synth(out: Path, *words: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(["data", "synth", "--out", str(out), *words])
    assert isinstance(leaving.value.code, int)
    return leaving.value.code


@pytest.mark.parametrize("kind", ["trend", "noise"])
def test_a_synthetic_market_reads_back_under_its_name(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "bars/MINE_30m.parquet"
    assert synth(out, "--kind", kind, "--bars", "500", "--timeframe", "30m") == 0
    bars = read_bars(out).bars
    assert (len(bars), bars.symbol, bars.timeframe.name) == (500, "MINE", "30m")


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    first, second, other = (tmp_path / f"{name}_1h.parquet" for name in ("A", "B", "C"))
    for out, seed in ((first, "3"), (second, "3"), (other, "4")):
        assert synth(out, "--bars", "300", "--seed", seed) == 0
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()


def test_an_existing_file_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "MINE_1h.parquet"
    out.write_text("precious")
    assert synth(out) == 1
    assert "exists already" in capsys.readouterr().err
    assert out.read_text() == "precious"
