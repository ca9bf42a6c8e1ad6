import json
from pathlib import Path

import pytest

from agv2.backtest.report.findings import cost_findings, result_sentence
from agv2.backtest.report.reading import read_run
from tests.run_directory import write_run_directory


@pytest.fixture(scope="module")
def losing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run_directory(tmp_path_factory.mktemp("losing") / "run", n_bars=1500)


@pytest.fixture(scope="module")
def winning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run_directory(tmp_path_factory.mktemp("winning") / "run", n_bars=900, skill=0.9)


def money(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))


def test_a_loss_is_called_a_loss(losing: Path) -> None:
    record = read_run(losing)
    assert record.summary["oos"]["net_return"] < 0
    assert "a loss of" in result_sentence(record)


def test_a_gain_is_called_a_gain_beside_buy_and_hold(winning: Path) -> None:
    sentence = result_sentence(read_run(winning))
    assert "a gain of" in sentence
    assert "Buy and hold" in sentence


@pytest.mark.parametrize("run", ["losing", "winning"])
def test_gross_less_costs_is_what_the_account_gained(run: str, request: pytest.FixtureRequest) -> None:
    record = read_run(request.getfixturevalue(run))
    found = cost_findings(record)
    assert found is not None
    assert [line.label for line in found.lines] == [
        "Gross result", "Spread", "Slippage", "Commission", "Financing", "Net result",
    ]  # fmt: skip
    curve = record.curve(record.account)
    assert money(found.lines[-1].money) == pytest.approx(curve["equity"][-1] - curve["equity"][0], abs=1.0)
    assert sum(money(line.money) for line in found.lines[:-1]) == pytest.approx(money(found.lines[-1].money), abs=3.0)
    assert found.caveat == ""


def test_without_a_cost_file_the_fills_say_the_same(losing: Path, tmp_path: Path) -> None:
    bare = cost_findings(read_run(write_run_directory(tmp_path / "run", n_bars=1500, extras=False)))
    full = cost_findings(read_run(losing))
    assert bare is not None
    assert full is not None
    assert bare.lines[1].label == "Spread and slippage"
    assert money(bare.lines[1].money) == pytest.approx(money(full.lines[1].money) + money(full.lines[2].money), abs=1)
    assert (bare.lines[0].money, bare.lines[-1].money) == (full.lines[0].money, full.lines[-1].money)
    assert bare.sentence == full.sentence


def test_bars_of_the_way_from_gross_to_net_stay_on_their_scale(losing: Path) -> None:
    found = cost_findings(read_run(losing))
    assert found is not None
    assert all(line.left >= -1e-9 and line.left + line.wide <= 100 + 1e-9 for line in found.lines)
    assert 0 <= found.zero <= 100


def test_trades_that_lose_before_costs_are_not_blamed_on_costs(losing: Path) -> None:
    record = read_run(losing)
    costs = dict(record.costs or {})
    assert costs["gross_pnl"] < costs["financing"]
    found = cost_findings(record)
    assert found is not None
    assert "no cost, however low, would have made this profitable" in found.sentence


def test_break_even_above_the_cost_says_how_far(winning: Path) -> None:
    found = cost_findings(read_run(winning))
    assert found is not None
    assert "before the gain was gone" in found.sentence


def test_costs_that_contradict_the_account_are_said_to(tmp_path: Path) -> None:
    path = write_run_directory(tmp_path / "run", n_bars=600)
    costs = json.loads((path / "folds/report/costs.json").read_text())
    (path / "folds/report/costs.json").write_text(json.dumps({**costs, "gross_pnl": costs["gross_pnl"] + 5000}))
    found = cost_findings(read_run(path))
    assert found is not None
    assert "one of the two is wrong" in found.caveat
