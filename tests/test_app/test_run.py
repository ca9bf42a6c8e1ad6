"""The main job from bars to report, at the smallest size."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from agv2.app import market_preparation
from agv2.app import run as run_module
from agv2.app.progress import RunProgress
from agv2.app.run import run
from agv2.app.run_plan import RunRequest
from agv2.app.run_store import RunStore
from agv2.backtest.run_files import read_run_rows
from agv2.core.bars import Bars
from agv2.core.errors import ConfigError, DataError, LeakError
from agv2.core.timeframes import SessionCalendar
from agv2.data.bars_file import write_bars
from agv2.data.synthetic import synthetic_bars
from agv2.features.pipeline import FeatureMatrix, compute_features
from agv2.models.bundle import ModelBundle
from agv2.models.pretraining import CHECKPOINT
from agv2.utils.config import parse_override
from tests.recomputed_account import disagreements
from tests.whole_runs import RunSmall

MEASURES = {
    "net_return", "sharpe", "sortino", "calmar", "max_drawdown", "underwater_bars", "hit_rate", "profit_factor",
    "expectancy_r", "turnover_per_day", "trades", "trades_per_day", "exposure", "cvar_95", "cvar_99",
    "break_even_cost_frac",
}  # fmt: skip


def summary_of(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return document


def without_times(out: Path) -> dict[str, Any]:
    return {key: value for key, value in summary_of(out).items() if key != "runtime_s"}


def test_a_run_leaves_what_it_promises(finished_run: Path) -> None:
    for name in ("report.html", "summary.json", "provenance.json", "bundle/manifest.json", "folds/1/fold.json"):
        assert (finished_run / name).is_file(), name
    configs = {path.stem for path in (finished_run / "config").iterdir()}
    assert configs == {"markets", "costs", "encoder", "rl_policy", "risk", "backtest", "quality", "guards"}
    reference = ModelBundle.load(finished_run / "bundle").reference()
    assert len(reference.of_features("TREND").columns) == 159
    assert reference.of_features("TREND").daily_worst.size > 20
    assert set(reference.daily_returns) == set(reference.entropy) == {"TREND"}
    summary = summary_of(finished_run)
    assert set(summary) == {
        "schema", "symbols", "profile", "seed", "oos", "per_symbol", "significance", "baselines", "encoder",
        "verdict", "verdict_text", "notes", "runtime_s",
    }  # fmt: skip
    assert set(summary["oos"]) == MEASURES
    assert set(summary["per_symbol"]["TREND"]) == MEASURES
    assert list(summary["baselines"]) == [
        "flat", "buy_and_hold", "volatility_targeted_buy_and_hold",
        "time_series_momentum", "supervised_quantiles", "random_equal_turnover",
    ]  # fmt: skip
    assert all(set(baseline) == MEASURES for baseline in summary["baselines"].values())
    assert {"score", "baseline", "beats"} <= set(summary["encoder"]["quantiles"])


def test_every_undefined_value_is_null_with_a_reason(finished_run: Path) -> None:
    summary = summary_of(finished_run)
    scopes = {"oos": summary["oos"], **{f"baselines.{name}": each for name, each in summary["baselines"].items()}}
    undefined = [f"{scope}.{key}" for scope, values in scopes.items() for key, value in values.items() if value is None]
    assert undefined, "a flat account has no Sharpe ratio"
    for name in undefined:
        assert any(note.startswith(f"{name}: ") for note in summary["notes"]), name


def test_the_account_recomputes_from_its_fills(finished_run: Path, market_files: dict[str, Path]) -> None:
    assert disagreements(finished_run, {"TREND": market_files["TREND"]}) == []
    assert read_run_rows(finished_run / "oos").fills.height > 0


def test_the_first_row_has_no_fill_and_the_last_bar_decides_nothing(finished_run: Path) -> None:
    rows = read_run_rows(finished_run / "oos")
    assert rows.equity["units"][0] == 0.0
    assert rows.fills["ts"].min() > rows.equity["ts"][0]
    assert rows.decisions.height == rows.equity.height - 1
    assert rows.equity["units"][-1] == 0.0


def test_a_flat_decision_has_no_stop_and_a_position_has_one_on_its_losing_side(
    finished_run: Path, market_files: dict[str, Path]
) -> None:
    closes = pl.read_parquet(market_files["TREND"]).select("ts", "close")
    rows = read_run_rows(finished_run / "oos").decisions.join(closes, on="ts")
    flat = rows.filter(pl.col("position") == 0)
    assert flat.filter((pl.col("stop") != 0) | (pl.col("target") != 0)).is_empty()
    opened = rows.filter((pl.col("position") != 0) & (pl.col("reason") == "as_wished"))
    assert opened.height > 0
    assert opened.filter(pl.col("position") * (pl.col("close") - pl.col("stop")) <= 0).is_empty()


def test_regime_probabilities_of_a_decision_sum_to_one(finished_run: Path) -> None:
    rows = read_run_rows(finished_run / "oos").decisions
    total = rows.select(pl.sum_horizontal("p_trend", "p_consolidation", "p_volatile")).to_series()
    assert (total - 1.0).abs().max() < 1e-5  # type: ignore[operator]  # of a float column


def test_the_same_command_twice_gives_the_same_and_is_one_trial(
    finished_run: Path, finished_home: Path, run_small: RunSmall, market_files: dict[str, Path]
) -> None:
    again = run_small(market_files["TREND"], home=finished_home)
    assert without_times(again) == without_times(finished_run)
    for name in ("fills", "equity", "decisions", "saliency"):
        ours, theirs = (pl.read_parquet(out / "oos" / f"{name}.parquet") for out in (finished_run, again))
        assert ours.equals(theirs), name
    assert summary_of(again)["significance"]["n_trials"] == 1


def test_another_seed_gives_another_result_and_is_another_trial(
    finished_run: Path, finished_home: Path, run_small: RunSmall, market_files: dict[str, Path]
) -> None:
    other = summary_of(run_small(market_files["TREND"], seed=8, home=finished_home))
    assert other["oos"] != summary_of(finished_run)["oos"]
    assert other["significance"]["n_trials"] == 2


@pytest.mark.parametrize(
    "lost",
    [
        ("report.html", "summary.json", "provenance.json", "bundle", "oos", "config", "folds/1/oos"),
        ("report.html", "summary.json", "folds/1/oos/done.json", "folds/1/policy_0.json"),
        ("report.html",),
    ],
)
def test_a_killed_run_resumes_to_the_same_summary(
    copy_of_run: Path, finished_run: Path, run_small: RunSmall, lost: tuple[str, ...]
) -> None:
    for name in lost:
        path = copy_of_run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    files = json.loads((finished_run / "provenance.json").read_text())["bars"]
    run_small(Path(files[0]["path"]), out=copy_of_run)
    assert without_times(copy_of_run) == without_times(finished_run)
    assert (copy_of_run / "report.html").is_file()


def test_an_encoder_whose_training_was_interrupted_goes_on_from_its_checkpoint(
    copy_of_run: Path, finished_run: Path, run_small: RunSmall, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold = copy_of_run / "folds/1"
    for path in (fold, *(copy_of_run / name for name in ("report.html", "summary.json", "bundle", "oos"))):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (bars,) = json.loads((finished_run / "provenance.json").read_text())["bars"]

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunProgress, "update", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_small(Path(bars["path"]), out=copy_of_run)
    unfinished = fold / "encoder_unfinished"
    assert [path.name for path in unfinished.iterdir()] == [CHECKPOINT]
    steps: list[str] = []
    update = RunProgress.update

    def watched(self: RunProgress, fraction: float, detail: str = "") -> None:
        steps.append(detail)
        update(self, fraction, detail)

    monkeypatch.setattr(RunProgress, "update", watched)
    run_small(Path(bars["path"]), out=copy_of_run)
    assert sum("quantiles" in detail for detail in steps) == 1, "of two steps the second is left"
    assert not unfinished.exists()
    weights = [np.load(out / "folds/1/encoder.npz") for out in (copy_of_run, finished_run)]
    assert weights[0].files == weights[1].files
    for name in weights[0].files:
        np.testing.assert_array_equal(weights[0][name], weights[1][name])
    assert without_times(copy_of_run) == without_times(finished_run)


def test_resuming_with_another_seed_is_refused(
    copy_of_run: Path, run_small: RunSmall, market_files: dict[str, Path]
) -> None:
    with pytest.raises(ConfigError, match="started with other --seed"):
        run_small(market_files["TREND"], seed=9, out=copy_of_run)


def test_two_files_are_one_portfolio_that_adds_up(run_small: RunSmall, market_files: dict[str, Path]) -> None:
    out = run_small(*market_files.values())
    assert disagreements(out, market_files) == []
    equity = pl.read_parquet(out / "oos" / "equity.parquet")
    clock = equity.filter(pl.col("symbol") == "ACCOUNT").select("ts", total="equity").sort("ts")
    for symbol in market_files:
        book = equity.filter(pl.col("symbol") == symbol).select("ts", pl.col("equity").alias(symbol)).sort("ts")
        assert book[symbol][0] == 50_000.0
        clock = clock.join_asof(book, on="ts", strategy="backward")
    summed = clock.select(pl.sum_horizontal(*market_files)).to_series()
    assert (clock["total"] - summed).abs().max() < 1e-6  # type: ignore[operator]  # of a float column
    summary = summary_of(out)
    assert summary["oos"]["net_return"] == pytest.approx(clock["total"][-1] / clock["total"][0] - 1.0)
    assert set(summary["per_symbol"]) == set(market_files)
    assert not math.isnan(summary["oos"]["max_drawdown"])
    checks = json.loads((out / "provenance.json").read_text(encoding="utf-8"))["leak_checks"]
    assert [check["symbol"] for check in checks] == sorted(market_files)


def test_what_was_searched_for_leaks_is_in_the_provenance_and_the_report(finished_run: Path) -> None:
    (check,) = json.loads((finished_run / "provenance.json").read_text(encoding="utf-8"))["leak_checks"]
    assert (check["symbol"], check["seed"], check["notes"]) == ("TREND", 7, [])
    assert {"features", "normaliser", "training windows", "decision", "payoff"} <= set(check["stages"])
    assert check["comparisons"] > check["columns"] > 500
    assert "looking for leaks" in summary_of(finished_run)["runtime_s"]
    assert "leak_checks.0.comparisons" in (finished_run / "report.html").read_text(encoding="utf-8")


def test_a_leak_stops_the_run_before_anything_is_written(
    market_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaky(bars: Bars, calendar: SessionCalendar) -> FeatureMatrix:
        matrix = compute_features(bars, calendar)
        values = matrix.values.copy()
        values[:-1, 5] = matrix.values[1:, 5]
        return FeatureMatrix(matrix.columns, values, matrix.sigma)

    monkeypatch.setattr(market_preparation, "compute_features", leaky)
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AGV2_SMOKE", "1")
    with pytest.raises(LeakError, match=r"^TREND: something sees the future: features, column range: "):
        run(RunRequest(bars=(market_files["TREND"],), out=tmp_path / "out", quiet=True))
    assert list(tmp_path.iterdir()) == []


def test_what_is_resumed_is_not_searched_again_and_says_what_was_found_before(
    copy_of_run: Path, finished_run: Path, run_small: RunSmall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwanted(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(run_module, "require_no_leak", unwanted)
    (copy_of_run / "report.html").unlink()
    files = json.loads((finished_run / "provenance.json").read_text())["bars"]
    run_small(Path(files[0]["path"]), out=copy_of_run)
    checks = [
        json.loads((out / "provenance.json").read_text(encoding="utf-8"))["leak_checks"]
        for out in (copy_of_run, finished_run)
    ]
    assert checks[0] == checks[1] != []


def test_a_symbol_without_an_entry_says_so(finished_run: Path) -> None:
    assert any("TREND: no entry in markets.yaml and costs.yaml" in note for note in summary_of(finished_run)["notes"])


@pytest.fixture
def short_file(tmp_path: Path) -> Path:
    path = tmp_path / "SHORT_1h.parquet"
    write_bars(synthetic_bars("noise", 400, 1, symbol="SHORT"), path)
    return path


def test_too_few_bars_are_refused_and_nothing_is_written(short_file: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="SHORT"):
        run(RunRequest(bars=(short_file,), out=tmp_path / "out", quiet=True))
    assert not (tmp_path / "out").exists()


def test_a_directory_with_something_in_it_is_refused_and_left_alone(
    market_files: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(ConfigError, match="not empty"):
        run(RunRequest(bars=(market_files["TREND"],), out=tmp_path, quiet=True))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_unknown_setting_is_refused_before_anything_is_written(
    market_files: dict[str, Path], tmp_path: Path
) -> None:
    wrong = parse_override("risk.profiles.default.dayly_loss_frac=0.1")
    with pytest.raises(ConfigError, match="daily_loss_frac"):
        run(RunRequest(bars=(market_files["TREND"],), out=tmp_path / "out", overrides=(wrong,), quiet=True))
    assert not (tmp_path / "out").exists()


def test_resume_without_a_run_is_refused(market_files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run to continue"):
        run(RunRequest(bars=(market_files["TREND"],), out=tmp_path / "out", resume=True, quiet=True))


@pytest.mark.parametrize("name", ["file.txt/run", "x" * 300])
def test_a_directory_that_cannot_be_made_is_a_clear_error(
    market_files: dict[str, Path], tmp_path: Path, name: str
) -> None:
    (tmp_path / "file.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(ConfigError, match="--out"):
        run(RunRequest(bars=(market_files["TREND"],), out=tmp_path / name, quiet=True))


def test_a_second_process_on_the_same_run_is_refused(copy_of_run: Path, run_small: RunSmall) -> None:
    files = json.loads((copy_of_run / "provenance.json").read_text())["bars"]
    with RunStore(copy_of_run).locked(), pytest.raises(ConfigError, match="another agv2 is working"):
        run_small(Path(files[0]["path"]), out=copy_of_run)


@pytest.mark.parametrize("name", ["folds/state.json", "folds/1/encoder.npz", "folds/1/policy_0.npz"])
def test_a_damaged_stage_is_named(copy_of_run: Path, run_small: RunSmall, name: str) -> None:
    files = json.loads((copy_of_run / "provenance.json").read_text())["bars"]
    (copy_of_run / "report.html").unlink()
    damaged = copy_of_run / name
    damaged.write_bytes(damaged.read_bytes()[:-40])
    with pytest.raises(ConfigError, match=f"{damaged.name} is damaged"):
        run_small(Path(files[0]["path"]), out=copy_of_run)


def test_a_trial_ledger_that_cannot_be_opened_stops_the_run_before_anything_is_written(
    market_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("a file, not a directory", encoding="utf-8")
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AGV2_SMOKE", "1")
    with pytest.raises(ConfigError, match="AGV2_HOME"):
        run(RunRequest(bars=(market_files["TREND"],), out=tmp_path / "out", quiet=True))
    assert not (tmp_path / "out").exists()
