"""`agv2 drift` on bars of the kind that a bundle was trained on, and on others."""

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from agv2.app.cli.main import main
from agv2.core.bars import Bars
from agv2.data.bars_file import write_bars
from agv2.data.config import MarketsConfig
from agv2.data.synthetic_markets.market import MarketRequest, instrument_market
from agv2.deploy.drift_reference import feature_reference
from agv2.features.pipeline import compute_features
from agv2.models.live_reference import LiveReference
from agv2.utils.config import load_config
from tests.bundles import bundle_without_networks


class Trained(NamedTuple):
    """A bundle trained on the first bars of a market, and all of them."""

    run: Path
    bars: Bars


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("drift")
    markets = load_config(MarketsConfig, "markets")
    request = MarketRequest("XAUUSD", "none", 0.0, timeframe="1h", n_bars=9000, seed=3)
    bars = instrument_market(request, markets.entry("XAUUSD")[0]).bars
    calendar = markets.instrument("XAUUSD", bars.ts_ns)[0].calendar
    features = compute_features(bars, calendar)
    past = slice(features.warmup, 8000)
    names = tuple(column.name for column in features.columns)
    days = calendar.trading_days(bars.ts_ns)
    reference = feature_reference(features.values[past], days[past], names, 10.0)
    bundle_without_networks(folder / "run" / "bundle", features.columns, LiveReference({"XAUUSD": reference}))
    return Trained(folder / "run", bars)


@pytest.fixture
def usual(trained: Trained, tmp_path: Path) -> Path:
    path = tmp_path / "XAUUSD_1h.parquet"
    write_bars(trained.bars, path)
    return path


@pytest.fixture
def broken(trained: Trained, tmp_path: Path) -> Path:
    """The last bars come from a feed that knows opens and closes alone."""
    bars, later = trained.bars, np.arange(9000) >= 8700
    high = np.where(later, np.maximum(bars.open, bars.close), bars.high)
    low = np.where(later, np.minimum(bars.open, bars.close), bars.low)
    path = tmp_path / "XAUUSD_1h.parquet"
    write_bars(replace(bars, high=high, low=low), path)
    return path


def agv2(*words: object) -> object:
    """Exit code."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return ended.value.code


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))


def test_usual_bars_pass_and_the_table_says_what_the_limits_mean(
    trained: Trained, usual: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert agv2("drift", trained.run, "--bars", usual, "--days", 8, "--top", 3) == 0
    shown = capsys.readouterr().out
    assert "XAUUSD 1h: " in shown
    assert "8 trading days" in shown
    assert "the guard would not have tripped; one false alarm in 30 trading days" in shown


def test_a_broken_feed_fails_and_names_the_features_and_the_bar(
    trained: Trained, broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert agv2("drift", trained.run / "bundle", "--bars", broken, "--days", 15, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["tripped"]
    wicks = {"upper_wick", "lower_wick"}
    assert {feature["name"] for feature in found["features"][:2]} == wicks
    assert found["trips"][0]["feature"] in wicks
    broken_since = np.datetime64(int(trained.bars.ts_ns[8700]), "ns")
    noticed = np.datetime64(found["trips"][0]["ts"].removesuffix("Z"))
    assert broken_since < noticed < broken_since + np.timedelta64(3, "D")
    assert 15 * 20 < found["bars"] <= 15 * 23


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--symbol", "ETHUSD"], "holds no reference of ETHUSD's features, so drift cannot be told: it has those of"),
        (["--bars", "nowhere.parquet"], "nowhere.parquet"),
        (["--html", "."], "this is a directory; name a file"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_line(
    trained: Trained, usual: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert agv2("drift", trained.run, "--bars", usual, *words) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_directory_without_a_bundle_is_one_clear_line(
    usual: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert agv2("drift", tmp_path / "nothing", "--bars", usual) == 1
    assert "there is no bundle here" in capsys.readouterr().err


def test_bars_of_another_timeframe_are_refused(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "XAUUSD_30m.parquet"
    request = MarketRequest("XAUUSD", "none", 0.0, timeframe="30m", n_bars=2000, seed=3)
    write_bars(instrument_market(request, load_config(MarketsConfig, "markets").entry("XAUUSD")[0]).bars, path)
    assert agv2("drift", trained.run, "--bars", path) == 1
    assert "bars of 30m; the bundle reads 1h" in capsys.readouterr().err


def test_evidently_draws_the_features_that_strayed_furthest(trained: Trained, broken: Path, tmp_path: Path) -> None:
    pytest.importorskip("evidently", reason="needs evidently: python bootstrap.py test --with evidently")
    page = tmp_path / "drift.html"
    assert agv2("drift", trained.run, "--bars", broken, "--days", 15, "--top", 3, "--html", page) == 1
    text = page.read_text(encoding="utf-8")
    assert "upper_wick" in text
    assert "lower_wick" in text
    assert "session_asia" not in text
    assert "Drift is detected" in text
