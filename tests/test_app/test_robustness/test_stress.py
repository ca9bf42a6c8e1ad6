"""Crises met by a run's policy: replayed where bars have them, written into its bars where not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.app.robustness.stress import stress_results
from agv2.app.robustness.stress_scenes import history_markets, replayed_scene, shock_scenes
from agv2.app.robustness.subject import Subject, open_run
from agv2.backtest.stress_shapes import CRISES
from agv2.core.errors import DataError
from agv2.data.bars_file import write_bars
from agv2.data.synthetic import synthetic_bars
from agv2.features.pipeline import compute_features
from agv2.sim.costs import SpreadSource

pytestmark = pytest.mark.timeout(900)
BY_NAME = {crisis.name: crisis for crisis in CRISES}
MARCH_2020_NS = 1_582_070_400_000_000_000  # its first day


@pytest.fixture(scope="module")
def subject(finished_run: Path) -> Subject:
    return open_run(finished_run, quiet=True)


def history(path: Path, symbol: str = "TREND", timeframe: str = "1h", n_before: int = 2400, n_bars: int = 3600) -> Path:
    """Bars around March 2020; nobody checks that they fell."""
    bars = synthetic_bars("noise", n_bars, 5, timeframe=timeframe, symbol=symbol)
    first_ns = MARCH_2020_NS - n_before * bars.timeframe.nanoseconds
    write_bars(replace(bars, ts_ns=bars.ts_ns - bars.ts_ns[0] + first_ns), path)
    return path


def test_features_over_a_shock_path_are_those_of_its_bars_and_the_way_in_is_the_runs_own(subject: Subject) -> None:
    market, crisis = subject.plan.markets[0], BY_NAME["flash crash"]
    scenes = shock_scenes(subject, crisis)
    assert {scene.direction for scene in scenes} == {"down", "up"}
    assert len({scene.begins_ns for scene in scenes}) == len(scenes) / 2 > 1
    for scene in scenes:
        (one,) = scene.markets
        alone = compute_features(one.market.bars, market.instrument.calendar)
        assert np.array_equal(one.market.features.values, alone.values, equal_nan=True)
        start = int(np.searchsorted(market.bars.ts_ns, scene.begins_ns)) - one.begins
        way_in = slice(one.market.first_decision, one.begins)
        own = market.features.values[start + way_in.start : start + way_in.stop]
        assert np.array_equal(one.market.features.values[way_in], own)
        assert one.first >= one.market.first_decision
        assert np.array_equal(one.market.bars.ts_ns, market.bars.ts_ns[start : start + len(one.market.bars)])


def test_spreads_widen_when_the_crisis_begins_and_not_before(subject: Subject) -> None:
    crisis = BY_NAME["flash crash"]
    (one,) = shock_scenes(subject, crisis)[0].markets
    scale = one.market.records["spread_scale"]
    assert (scale[: one.begins] == 1.0).all()
    assert (scale[one.begins :] == crisis.spread_factor).all()
    assert one.market.costs.spread_source == SpreadSource.HOURLY
    before = subject.plan.markets[0].costs
    assert one.market.costs._replace(spread_source=before.spread_source) == before


def test_a_crisis_that_is_longer_than_the_bars_is_left_out_with_the_reason(subject: Subject) -> None:
    with pytest.raises(DataError, match=r"TREND: 3,000 bars; Autumn 2008 takes 2,736 after [\d,]+ to warm up"):
        shock_scenes(subject, replace(BY_NAME["2008"], after=60.0))


def test_a_file_that_covers_a_crisis_is_replayed_and_what_was_trained_later_is_said(
    subject: Subject, tmp_path: Path
) -> None:
    found = history_markets(subject.plan, [history(tmp_path / "TREND_1h.parquet")])
    scene = replayed_scene(subject, found, BY_NAME["march 2020"])
    assert scene is not None
    (one,) = scene.markets
    assert int(one.market.bars.ts_ns[one.begins]) == MARCH_2020_NS == scene.begins_ns
    assert len(one.market.bars) - one.begins == 37 * 24
    trained_until = int(subject.plan.markets[0].bars.ts_ns[subject.plan.folds[0][0].train_hi - 1])
    assert scene.is_unseen == (trained_until < MARCH_2020_NS)
    assert replayed_scene(subject, found, BY_NAME["2008"]) is None
    assert replayed_scene(subject, [], BY_NAME["march 2020"]) is None


@pytest.mark.parametrize(("n_before", "n_bars"), [(800, 3600), (2400, 2900)])
def test_bars_that_begin_too_late_or_end_too_early_do_not_cover_it(
    subject: Subject, tmp_path: Path, n_before: int, n_bars: int
) -> None:
    path = history(tmp_path / "TREND_1h.parquet", n_before=n_before, n_bars=n_bars)
    assert replayed_scene(subject, history_markets(subject.plan, [path]), BY_NAME["march 2020"]) is None


def test_files_of_other_symbols_and_timeframes_are_refused(subject: Subject, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="bars of GOLD; the run trades TREND"):
        history_markets(subject.plan, [history(tmp_path / "GOLD_1h.parquet", symbol="GOLD")])
    with pytest.raises(DataError, match="bars of 15m, and the run's are of 1h"):
        history_markets(subject.plan, [history(tmp_path / "TREND_15m.parquet", timeframe="15m")])


def test_what_a_replay_did_is_measured_from_the_last_close_before_it(subject: Subject, tmp_path: Path) -> None:
    document = stress_results(subject, [history(tmp_path / "TREND_1h.parquet")], lambda *_: None)
    scenario = next(one for one in document["scenarios"] if one["name"] == "march 2020")
    (path,) = scenario["paths"]
    assert (scenario["how"], scenario["worst_path"], path["direction"]) == ("replayed", 0, "down")
    assert path["begins"] == "2020-02-19T00:00:00+00:00"
    account = scenario["curves"]["account"]
    assert account[0] == 0.0
    assert account[-1] == pytest.approx(path["net_return"], abs=1e-5)
    assert scenario["curves"]["n_bars"] == 37 * 24
    assert 0.0 <= path["max_drawdown"] < 1.0
    assert path["position"]["TREND"] in (-1, 0, 1)
    flash = next(one for one in document["scenarios"] if one["name"] == "flash crash")
    assert flash["how"] == "shock path"
    down, up = ([p["market_move"] for p in flash["paths"] if p["direction"] == way] for way in ("down", "up"))
    assert max(down) < 0.0 < min(up)


def test_limits_that_bite_are_counted(copy_of_run: Path) -> None:
    """With a daily limit of a hundredth of a per cent whoever trades in a crisis is halted."""
    tight = open_run(copy_of_run, quiet=True)
    market = tight.plan.markets[0]
    limits = market.params._replace(daily_loss_frac=1e-4, drawdown_frac=2e-4)
    plan = replace(tight.plan, markets=(replace(market, params=limits),))
    document: dict[str, Any] = stress_results(replace(tight, plan=plan), [], lambda *_: None)
    paths = [path for one in document["scenarios"] for path in one["paths"] if path["trades"]]
    assert paths
    assert any(path["daily_loss_halts"] and path["halted_frac"] > 0.0 for path in paths)
    assert any(path["drawdown_halts"] for path in paths)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
