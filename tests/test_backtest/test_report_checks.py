"""What the report makes of the files of `agv2 robustness`."""

from typing import Any

import pytest

from agv2.backtest.report.dependence import ablation_table, seed_table, sensitivity_table
from agv2.backtest.report.stress_rows import stress_table

BASE = {"net_return": 0.1, "sharpe": 1.0, "max_drawdown": 0.05, "trades": 40, "turnover_per_day": 1.0}
COMMON = {"notes": [], "about_trials": "not recorded as trials", "largest_difference": 0.0, "base": BASE}


def row(difference: float | None, low: float | None, high: float | None, **said: str) -> dict[str, Any]:
    return {**BASE, **said, "difference": difference, "low": low, "high": high}


def test_only_an_interval_wholly_on_one_side_is_called_a_gain_or_a_loss() -> None:
    rows = [
        row(-1.0, -1.5, -0.5, name="a", kind="head", meaning=""),
        row(0.4, -0.1, 0.9, name="b", kind="head", meaning=""),
        row(0.5, 0.1, 0.9, name="c", kind="head", meaning=""),
        row(None, None, None, name="d", kind="head", meaning=""),
    ]
    table = ablation_table({**COMMON, "reads_embedding": True, "rows": rows})
    assert [each.style for each in table.rows] == ["loss", "draw", "gain", "draw"]
    assert (table.rows[0].left, table.rows[2].left + table.rows[2].wide) == pytest.approx((0.0, 100.0))
    assert table.zero == pytest.approx(62.5)
    assert table.rows[3].difference == "–"
    assert table.trials.startswith("4 accounts, not recorded")


def test_a_policy_that_reads_no_embedding_is_said_to() -> None:
    document = {**COMMON, "reads_embedding": False, "rows": [row(0.0, 0.0, 0.0, name="a", kind="head", meaning="")]}
    assert "does not read the embedding" in ablation_table(document).caveats[0]
    assert ablation_table({**document, "reads_embedding": True}).caveats == ()


def test_an_account_that_comes_out_otherwise_is_a_warning() -> None:
    document = {**COMMON, "reads_embedding": True, "rows": []}
    assert ablation_table(document).strays == ""
    assert "by up to 1.20%" in ablation_table({**document, "largest_difference": 0.012}).strays
    assert ablation_table({**document, "largest_difference": None}).strays == ""


def test_the_parameter_that_moves_most_comes_first_its_settings_together() -> None:
    rows = [
        row(0.1, 0.0, 0.2, parameter="slippage", setting="× 0.5"),
        row(-0.1, -0.2, 0.0, parameter="slippage", setting="× 2"),
        row(0.0, 0.0, 0.1, parameter="latency", setting="1 bar more"),
        row(0.2, 0.0, 0.4, parameter="half spread", setting="× 0.5"),
        row(-0.9, -1.2, -0.2, parameter="half spread", setting="× 2"),
    ]
    grid = {"cost_multiples": [0.0, 1.0], "volatility_multiples": [1.0, 2.0], "sharpe": [[2.0, None], [1.0, -4.0]]}
    table = sensitivity_table({**COMMON, "rows": rows, "grid": grid})
    names = [(each.name, each.setting) for each in table.rows]
    assert [name for name, _ in names] == ["half spread", "half spread", "slippage", "slippage", "latency"]
    cells = [[(cell.text, cell.style, cell.shade) for cell in cells] for _, cells in table.heat_rows]
    assert cells == [[("+2.00", "won", 0.5), ("–", "won", 0.0)], [("+1.00", "won", 0.25), ("−4.00", "lost", 1.0)]]


def test_the_spread_of_seeds_stands_beside_that_of_folds() -> None:
    rows = [{**BASE, "name": f"seed {k}", "fold_returns": [0.01 * k, 0.10 + 0.01 * k]} for k in (1, 2, 3)]
    table = seed_table({"base": {**BASE, "fold_returns": [0.02, 0.12]}, "rows": rows})
    assert table.folds == ("Fold 1", "Fold 2")
    assert [cells[0] for cells in table.rows] == ["all as one", "seed 1", "seed 2", "seed 3"]
    assert "deviation of 1.0\u202f%, the folds' mean returns one of 7.1\u202f%" in table.sentence


def test_one_seed_says_nothing_of_chance() -> None:
    rows = [{**BASE, "name": "seed 1", "fold_returns": [0.02]}]
    assert "not known" in seed_table({"base": {**BASE, "fold_returns": [0.02]}, "rows": rows}).sentence


def path(**changed: Any) -> dict[str, Any]:
    usual = {
        "direction": "down", "market_move": -0.3, "net_return": -0.02, "max_drawdown": 0.04, "stops_hit": 2,
        "daily_loss_halts": 0, "drawdown_halts": 0,
    }  # fmt: skip
    return usual | changed


def scenario(*paths: dict[str, Any], how: str = "shock path", unseen: bool = True) -> dict[str, Any]:
    return {
        "title": "March 2020", "how": how, "basis": "closes", "loudness": 2.0, "spread_factor": 4.0, "unseen": unseen,
        "paths": list(paths), "worst_path": 0, "curves": {"account": [0.0, -0.02], "market": [0.0, -0.3], "n_bars": 9},
    }  # fmt: skip


def test_a_crisis_shows_its_worst_path_and_its_halts() -> None:
    worst = path(net_return=-0.08, max_drawdown=0.09, daily_loss_halts=2, drawdown_halts=1)
    table = stress_table({"scenarios": [scenario(worst, path(market_move=0.4), path())], "left_out": []})
    (shown,) = table.rows
    assert (shown.median, shown.worst, shown.drawdown) == ("−2.0\u202f%", "−8.0\u202f%", "9.0\u202f%")
    assert shown.halts == "on 1 of 3 paths (daily loss 2, drawdown 1)"
    assert shown.market == "−30.0\u202f% and +40.0\u202f%"
    assert "A shock path is no history" in table.sentence
    assert len(table.charts) == 1


def test_a_replay_of_bars_that_trained_the_models_is_no_test_and_says_so() -> None:
    table = stress_table({"scenarios": [scenario(path(), how="replayed", unseen=False)], "left_out": []})
    assert table.rows[0].how == "replayed, seen in training"
    assert "that is no test" in table.sentence
    assert "shock path" not in table.sentence


def test_what_is_left_out_is_said_with_its_reason() -> None:
    table = stress_table({"scenarios": [], "left_out": [{"title": "Autumn 2008", "reason": "too few bars"}]})
    assert table.left_out == ("Autumn 2008 is left out: too few bars",)
