import json
from pathlib import Path

import pytest

from agv2.app.cli.main import main
from agv2.data.bars_file import read_bars
from agv2.data.synthetic_markets.truth_file import market_files, read_truth


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


INSTRUMENT = ("--market", "XAUUSD", "--bars", "400")


def test_an_instrument_is_written_with_its_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "bars/XAUUSD_5m.parquet"
    assert synth(out, *INSTRUMENT, "--timeframe", "5m", "--edge", "momentum", "--strength", "weak", "--seed", "3") == 0
    bars, truth = read_bars(out).bars, read_truth(out)
    assert (len(bars), bars.symbol, bars.timeframe.name) == (400, "XAUUSD", "5m")
    assert (truth.parameters["edge"], truth.parameters["strength"], truth.parameters["seed"]) == ("momentum", 1.5, 3)
    assert sorted(path.name for path in out.parent.iterdir()) == sorted(file.name for file in market_files(out))
    assert "momentum, oracle's net Sharpe ratio" in capsys.readouterr().out


def test_an_instrument_has_no_edge_unless_one_is_named(tmp_path: Path) -> None:
    out = tmp_path / "XAUUSD_1h.parquet"
    assert synth(out, *INSTRUMENT) == 0
    assert (read_truth(out).parameters["edge"], read_truth(out).parameters["amplitude"]) == ("none", 0.0)


def test_an_edge_is_strong_unless_told_otherwise(tmp_path: Path) -> None:
    out = tmp_path / "XAUUSD_1h.parquet"
    assert synth(out, *INSTRUMENT, "--edge", "levels") == 0
    assert read_truth(out).parameters["strength"] == 4.5


def test_all_writes_six_instruments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert synth(tmp_path / "six", "--all", "--bars", "100", "--json") == 0
    written = json.loads(capsys.readouterr().out)
    assert [each["symbol"] for each in written] == ["ETHUSD", "XAUUSD", "XAGUSD", "US30", "NAS100", "US2000"]
    for each in written:
        bars = read_bars(Path(each["file"])).bars
        assert (bars.symbol, len(bars)) == (each["symbol"], 100)


def test_days_bound_an_instrument(tmp_path: Path) -> None:
    out = tmp_path / "US30_1h.parquet"
    assert synth(out, "--market", "US30", "--from", "2022-03-07", "--to", "2022-03-12") == 0
    ts = read_bars(out).bars.ts_ns.astype("datetime64[ns]").astype("datetime64[D]").astype(str)
    assert (ts[0], ts[-1]) == ("2022-03-07", "2022-03-11")


def test_settings_reach_the_instrument(tmp_path: Path) -> None:
    out = tmp_path / "XAUUSD_1h.parquet"
    assert synth(out, *INSTRUMENT, "--set", "markets.XAUUSD.tick_size=5") == 0
    assert not (read_bars(out).bars.close % 5.0).any()


def test_a_file_that_reads_back_under_another_name_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert synth(tmp_path / "gold.parquet", *INSTRUMENT) == 0
    assert "gold.parquet reads back as gold; say --symbol XAUUSD" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--market", "XPTUSD"), "choose one of ETHUSD"),
        (("--market", "XAUUSD", "--kind", "noise"), "leave it out"),
        (("--market", "XAUUSD", "--all"), "choose"),
        (("--edge", "momentum"), "--edge need an instrument"),
        (("--strength", "weak", "--from", "2020-01-01"), "--strength and --from need an instrument"),
        (("--market", "XAUUSD", "--strength", "weak"), "no --edge"),
        (("--market", "XAUUSD", "--edge", "levels", "--strength", "heroic"), "weak, strong or a number"),
        (("--market", "XAUUSD", "--edge", "levels", "--strength", "99"), "out of reach"),
        (("--market", "XAUUSD", "--edge", "session", "--timeframe", "1d"), "divides 1h"),
        (("--market", "XAUUSD", "--bars", "10", "--to", "2021-01-01"), "give one of them"),
        (("--market", "XAUUSD", "--from", "yesterday"), "expected a date"),
        (("--market", "XAUUSD", "--from", "2021-01-02", "--to", "2021-01-01"), "--to must lie after --from"),
        (("--market", "XAUUSD", "--from", "2021-01-02", "--to", "2021-01-03"), "closed"),
        (("--market", "XAUUSD", "--from", "1999-01-01"), "2000-01-01"),
        (("--market", "XAUUSD", "--timeframe", "hourly"), "not understood"),
        (("--bars", "99999999999999"), "end after the year 2199"),
    ],
)
def test_what_cannot_be_made_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert synth(tmp_path / "new/XAUUSD_1h.parquet", *words) == 1
    error = capsys.readouterr().err.strip()
    assert said in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize("name", ["XAUUSD_1h.parquet", "XAUUSD_1h.truth.parquet", "XAUUSD_1h.truth.json"])
def test_nothing_of_an_existing_market_is_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / name).write_text("precious")
    assert synth(tmp_path / "XAUUSD_1h.parquet", *INSTRUMENT) == 1
    assert f"{name}: exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("words", [("--kind", "noise"), INSTRUMENT])
def test_a_place_that_cannot_be_written_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    (tmp_path / "file").write_text("precious")
    assert synth(tmp_path / "file/XAUUSD_1h.parquet", *words) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "precious"
