import json
import shutil
from pathlib import Path

import pytest

from agv2.backtest.report.folds import cross_fit_rows, fold_rows, head_rows
from agv2.backtest.report.page import render_report
from agv2.backtest.report.reading import read_run
from tests.run_directory import write_run_directory


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run_directory(tmp_path_factory.mktemp("folds") / "run", n_bars=900)


def test_a_fold_shows_where_it_trained_and_what_it_made(run_dir: Path) -> None:
    first = fold_rows(read_run(run_dir))[0]
    assert first.train == "29 Jan 2017 to 4 Mar 2018"
    assert first.test.startswith("5 Mar 2018 to ")
    assert first.policy_steps == "81,920"
    assert first.policy_sharpe == "+1.90 → +0.35"


def test_the_longest_bar_is_the_largest_move_and_losses_point_left(run_dir: Path) -> None:
    rows = fold_rows(read_run(run_dir))
    assert max(row.wide for row in rows) == pytest.approx(50.0)
    assert {row.loss for row in rows} == {True, False}
    for row in rows:
        assert row.loss == row.net_return.startswith("−")
        assert (row.left + row.wide == pytest.approx(50.0)) if row.loss else (row.left == 50.0)


def test_without_fold_records_the_equity_rows_still_tell(run_dir: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(run_dir, tmp_path / "run"))
    shutil.rmtree(bare / "folds")
    full, left = fold_rows(read_run(run_dir)), fold_rows(read_run(bare))
    assert [(r.fold, r.test, r.net_return, r.max_drawdown, r.trades) for r in left] == [
        (r.fold, r.test, r.net_return, r.max_drawdown, r.trades) for r in full
    ]
    assert {(row.train, row.sharpe, row.policy_steps) for row in left} == {("–", "–", "–")}


def test_a_head_is_shown_with_each_fold_s_gap(run_dir: Path) -> None:
    heads = {row.head: row for row in head_rows(read_run(run_dir))}
    assert (heads["Quantiles"].beats, heads["Quantiles"].folds_won) == (False, "0 of 3")
    assert (heads["Regime"].beats, heads["Regime"].folds_won) == (True, "3 of 3")
    assert heads["Quantiles"].baseline_name == "HAR quantiles"
    assert heads["Quantiles"].baselines == "Unconditional 0.2502, HAR quantiles 0.2419"
    assert heads["Reconstruction"].baselines == ""
    assert heads["Regime"].gaps == ("0.8100 → 0.8710",) * 3


def test_the_loss_of_a_baseline_is_the_mean_of_the_folds_that_fitted_it(run_dir: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(run_dir, tmp_path / "run"))
    path = run / "folds/0/fold.json"
    fold = json.loads(path.read_text())
    fold["encoder"][0]["baselines"] = {"unconditional": 0.2802, "GARCH-t": 0.24}
    path.write_text(json.dumps(fold))
    quantiles = next(row for row in head_rows(read_run(run)) if row.head == "Quantiles")
    assert quantiles.baselines == "Unconditional 0.2602, GARCH-t 0.2400, HAR quantiles 0.2419"


def test_cross_fitted_predictions_stand_beside_in_sample_ones(run_dir: Path) -> None:
    rows = {row.head: row for row in cross_fit_rows(read_run(run_dir))}
    assert "Reconstruction" not in rows, "the policy does not read it"
    regime = rows["Regime"]
    assert (regime.in_sample, regime.cross_fitted, regime.later) == ("0.8100", "0.8449", "0.8710")
    assert regime.excess == "+4.3\u202f%"


def test_a_run_without_cross_fitting_shows_none(run_dir: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(run_dir, tmp_path / "run"))
    for path in bare.glob("folds/*/fold.json"):
        fold = json.loads(path.read_text())
        for head in fold["encoder"]:
            head["cross_fitted_score"] = None
        path.write_text(json.dumps(fold))
    assert cross_fit_rows(read_run(bare)) == []
    assert "What the policy was trained on" not in render_report(bare)
    assert "What the policy was trained on" in render_report(run_dir)


def test_several_seeds_show_how_far_their_validation_ratios_lie_apart(tmp_path: Path) -> None:
    run = write_run_directory(tmp_path / "run")
    path = run / "folds/0/fold.json"
    fold = json.loads(path.read_text())
    assert "(" not in fold_rows(read_run(run))[0].policy_sharpe
    ratios = (0.001, 0.004, 0.01)
    fold["policy"] = {"train_sharpe": 1.0, "validation_sharpe": 100.0 * sum(ratios) / 3}
    path.write_text(json.dumps(fold | {"seeds": [{"validation_sharpe_per_bar": ratio} for ratio in ratios]}))
    assert fold_rows(read_run(run))[0].policy_sharpe == "+1.00 → +0.50 (+0.10 to +1.00)"
