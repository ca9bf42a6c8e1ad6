"""Settings that were tuned, and the runs that may and may not use them."""

import json
from pathlib import Path

import pytest

from agv2.app.run_plan import RunRequest, first_test_ns, make_plan
from agv2.app.tuned_record import TUNED, TunedRecord, read_tuned_record
from agv2.core.errors import ConfigError


def record(end_ns: int = 0) -> TunedRecord:
    return TunedRecord("gold", end_ns, ("XAUUSD",), "quick", 7, 12)


@pytest.fixture(autouse=True)
def rehearsal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AGV2_SMOKE", "1")
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))


@pytest.fixture
def request_of(market_files: dict[str, Path], tmp_path: Path) -> RunRequest:
    return RunRequest(bars=(market_files["TREND"],), out=tmp_path / "run", config_dir=tmp_path / "tuned", quiet=True)


def first_test(market_files: dict[str, Path]) -> int:
    plan = make_plan(RunRequest(bars=(market_files["TREND"],), out=Path("run"), quiet=True))
    return first_test_ns(plan.markets, plan.folds)


def test_a_run_takes_settings_whose_study_ended_when_its_first_test_bar_opens(
    market_files: dict[str, Path], request_of: RunRequest, tmp_path: Path
) -> None:
    record(first_test(market_files)).write(tmp_path / "tuned")
    plan = make_plan(request_of)
    assert plan.tuned == record(first_test(market_files))
    assert any("study gold, among 12 tried on bars up to " in note for note in plan.notes)


@pytest.mark.parametrize("named", ["tuned", "tuned/risk.yaml"], ids=["directory", "one file of it"])
def test_a_run_refuses_settings_whose_study_saw_a_nanosecond_more(
    named: str, market_files: dict[str, Path], request_of: RunRequest, tmp_path: Path
) -> None:
    record(first_test(market_files) + 1).write(tmp_path / "tuned")
    (tmp_path / "tuned/risk.yaml").write_text("profile: default\n")
    request = RunRequest(bars=request_of.bars, out=request_of.out, config_dir=tmp_path / named, quiet=True)
    with pytest.raises(ConfigError, match=r"were tuned on bars up to .* UTC, and the first test bar is .*: the result"):
        make_plan(request)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": 2}', '{"schema": 1, "data_end_ns": "soon"}'])
def test_a_damaged_record_is_no_permission(text: str, tmp_path: Path) -> None:
    (tmp_path / TUNED).write_text(text)
    with pytest.raises(ConfigError, match=r"damaged, so which bars these settings were tuned on is not known"):
        read_tuned_record(tmp_path)


def test_a_record_of_a_later_schema_is_refused(tmp_path: Path) -> None:
    record().write(tmp_path)
    document = json.loads((tmp_path / TUNED).read_text()) | {"schema": 2}
    (tmp_path / TUNED).write_text(json.dumps(document))
    with pytest.raises(ConfigError, match="schema 2"):
        read_tuned_record(tmp_path)


def test_settings_without_a_record_were_not_tuned(tmp_path: Path) -> None:
    assert read_tuned_record(None) is None
    assert read_tuned_record(tmp_path) is None
