import dataclasses
import json
import math
import pathlib

import pytest

from agv2.backtest.evaluation import evaluate
from agv2.backtest.metrics import PerformanceReport
from agv2.backtest.summary import HeadScore, Significance, Summary, write_summary
from agv2.core.errors import InvariantError
from agv2.core.timeframes import SessionCalendar
from tests.run_rows import HandFill, a_run

KEYS = [
    "schema", "symbols", "profile", "seed", "oos", "per_symbol", "significance", "baselines", "encoder", "verdict",
    "verdict_text", "notes", "runtime_s",
]  # fmt: skip


def a_report(*fills: HandFill) -> PerformanceReport:
    run = a_run([100.0, 100.0, 104.0, 106.0], fills, step_ns=86_400_000_000_000)
    return evaluate(run, {"GOLD": SessionCalendar(0, "UTC", 365.0, None, True)}).oos.report


def a_summary() -> Summary:
    report = a_report(HandFill(1, 1.0, 100.0, 100.0), HandFill(2, -1.0, 104.0, 104.0))
    return Summary(
        symbols=("GOLD",),
        profile="quick",
        seed=7,
        oos=report,
        per_symbol={"GOLD": report},
        significance=Significance(0.9, 0.8, 2, 1.5, math.nan, math.nan, (-0.5, 1.5), {"pbo": "fewer than 8 trials"}),
        baselines={"flat": a_report()},
        encoder={"quantiles_1": HeadScore(0.24, 0.25, True), "regime": HeadScore(math.nan, 0.5, False)},
        verdict="no evidence",
        verdict_text="No evidence.",
        notes=("costs are the default ones",),
        runtime_s={"encoder": 1.23456},
    )


def test_the_file_has_exactly_the_contracts_keys_and_is_strict_json(tmp_path: pathlib.Path) -> None:
    write_summary(a_summary(), tmp_path / "summary.json")

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} in summary.json")

    found = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert list(found) == KEYS
    assert len(found["oos"]) == 16
    assert found["oos"].keys() == found["per_symbol"]["GOLD"].keys() == found["baselines"]["flat"].keys()
    assert list(found["significance"]) == [
        "psr", "dsr", "n_trials", "n_effective_trials", "pbo", "spa_p_value", "bootstrap_sharpe_ci",
    ]  # fmt: skip
    assert found["encoder"]["quantiles_1"] == {"score": 0.24, "baseline": 0.25, "beats": True}


def test_every_null_has_its_line_in_the_notes() -> None:
    document = a_summary().as_json()
    nulls = [f"oos.{name}" for name, value in document["oos"].items() if value is None]
    nulls += [f"per_symbol.GOLD.{name}" for name, value in document["per_symbol"]["GOLD"].items() if value is None]
    nulls += [f"baselines.flat.{name}" for name, value in document["baselines"]["flat"].items() if value is None]
    nulls += ["significance.pbo", "significance.spa_p_value", "encoder.regime.score"]
    assert document["notes"][0] == "costs are the default ones"
    assert sorted(line.split(": ")[0] for line in document["notes"][1:]) == sorted(nulls)
    assert "significance.pbo: fewer than 8 trials" in document["notes"]
    assert "baselines.flat.sharpe: daily returns do not vary" in document["notes"]


def test_equal_summaries_give_equal_bytes(tmp_path: pathlib.Path) -> None:
    for name in ("a.json", "b.json"):
        write_summary(a_summary(), tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_value_json_cannot_hold_is_our_defect() -> None:
    broken = dataclasses.replace(a_summary(), runtime_s={"encoder": math.inf})
    with pytest.raises(InvariantError, match=r"summary\.runtime_s\.encoder is inf"):
        broken.as_json()
