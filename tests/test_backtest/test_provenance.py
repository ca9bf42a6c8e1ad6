import json
import pathlib

from agv2.backtest.leakcheck_report import PassedCheck
from agv2.backtest.provenance import BarsSource, Provenance, write_provenance
from agv2.risk.kelly import EdgeEstimate


def test_the_file_holds_inputs_code_and_machine(tmp_path: pathlib.Path) -> None:
    source = BarsSource("GOLD", "/data/GOLD_1h.parquet", "ab" * 32, "1h", 100, 0, 3_600_000_000_000 * 99)
    provenance = Provenance(
        command=("agv2", "run"),
        bars=(source,),
        config_digest="cd",
        data_digest="ef",
        profile="quick",
        seed=7,
        n_trials=2,
        trial_ledger="/home/me/.agv2/trials",
        trial_ledger_begun_ns=1_700_000_000_000_000_000,
        leak_checks=[PassedCheck("GOLD", 7, ("features", "payoff"), 150, 2_000, ())],
        edges=[EdgeEstimate(800, 0.01, 0.02, 1.1)],
        started_ns=1_700_000_000_123_456_789,
        finished_ns=1_700_000_060_000_000_000,
    )
    write_provenance(provenance, tmp_path / "provenance.json")
    found = json.loads((tmp_path / "provenance.json").read_text(encoding="utf-8"))
    assert found["bars"][0]["first_ts"] == "1970-01-01T00:00:00+00:00"
    assert found["bars"][0]["last_ts"] == "1970-01-05T03:00:00+00:00"
    assert found["started"] == "2023-11-14T22:13:20.123456+00:00"
    assert found["trial_ledger_begun"] == "2023-11-14T22:13:20+00:00"
    assert found["command"] == ["agv2", "run"]
    (check,) = found["leak_checks"]
    assert (check["symbol"], check["stages"], check["columns"]) == ("GOLD", ["features", "payoff"], 150)
    assert (found["seed"], found["n_trials"], found["config_digest"]) == (7, 2, "cd")
    assert found["edges"] == [{"n_bars": 800, "mean": 0.01, "error": 0.02, "variance": 1.1}]
    assert found["libraries"]["numpy"].count(".") >= 1
    assert set(found["code"]) == {"version", "sources", "commit", "modified"}
    assert found["machine"]["cpus"] >= 1
