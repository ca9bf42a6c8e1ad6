"""Registered models as a person handles them: listed, fetched byte by byte, made champion only by right."""

import json
from pathlib import Path

import pytest

from agv2.app.golive.examination import GateVerdict, limits_digest
from agv2.app.golive.gate_log import GateLog
from agv2.app.golive.requirements import Requirement
from agv2.app.tracking.local_bundles import open_registry
from agv2.app.tracking.registry import CHALLENGER, model_name, register_bundle, registered_models
from agv2.app.tracking.server import Tracker
from agv2.app.tracking.tracked_work import TrackedWork
from agv2.app.trading.settings import trading_settings
from agv2.models.bundle import ModelBundle
from agv2.utils.clock import SystemClock
from agv2.utils.environment import load_environment
from tests.command_line import called

NAME = "agv2-TREND-1h"
CAPSYS = pytest.CaptureFixture[str]


@pytest.fixture
def registry(mlflow_home: Path, untrained_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    """One challenger, with its settings beside it."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    tracker = open_registry(load_environment(), SystemClock())
    work = TrackedWork(tracker, pytest.fail)
    work.begin("a run", {})
    work.directory(untrained_bundle, "bundle")
    (tmp_path / "risk.yaml").write_text("{}\n", encoding="utf-8")
    work.file(tmp_path / "risk.yaml", "config")
    assert work.run_id is not None
    tags = {"verdict": "no evidence"}
    version = register_bundle(tracker.client, work.run_id, "bundle", ModelBundle.load(untrained_bundle), tags)
    tracker.client.set_registered_model_alias(NAME, CHALLENGER, version)
    return tracker


def aliases(tracker: Tracker) -> tuple[str, ...]:
    (model,) = registered_models(tracker.client)
    return model.aliases


def events() -> list[str]:
    log = GateLog(load_environment(), SystemClock())
    return [str(each.body["event"]) for each in log._records()]


def test_a_list_says_verdict_gate_and_alias(registry: Tracker, untrained_bundle: Path, capsys: CAPSYS) -> None:
    said = called(capsys, "models", "list")
    digest = ModelBundle.load(untrained_bundle).digest
    heading, row = said.out.splitlines()
    assert heading.split()[:2] == ["model", "made"]
    assert row.startswith(f"models:/{NAME}/1 ")
    assert all(words in row for words in (digest[:12], "verdict: no evidence", "never looked at it", "challenger"))
    (known,) = json.loads(called(capsys, "models", "list", "--json").out)
    assert (known["bundle"], known["aliases"]) == (digest, ["challenger"])


def test_a_fetched_bundle_is_the_one_that_was_registered_with_its_settings_beside(
    registry: Tracker, untrained_bundle: Path, capsys: CAPSYS
) -> None:
    said = called(capsys, "models", "fetch", f"models:/{NAME}@challenger")
    place = Path(said.out.strip())
    assert ModelBundle.load(place).digest == ModelBundle.load(untrained_bundle).digest
    assert (place.parent / "config" / "risk.yaml").is_file()
    again = called(capsys, "models", "fetch", f"models:/{NAME}/1")
    assert again.out == said.out
    (place / "policy.npz").write_bytes(b"other")
    refused = called(capsys, "models", "fetch", f"models:/{NAME}/1")
    assert refused.code == 1
    assert "policy.npz: differs from what the manifest says" in refused.err


def test_what_was_changed_in_the_store_is_not_brought_in(registry: Tracker, mlflow_home: Path, capsys: CAPSYS) -> None:
    (stored,) = (mlflow_home / "mlflow" / "mlartifacts").rglob("policy.onnx")
    stored.write_bytes(stored.read_bytes()[:-1] + b"!")
    refused = called(capsys, "models", "fetch", f"models:/{NAME}/1")
    assert refused.code == 1
    assert "policy.onnx" in refused.err
    assert list((mlflow_home / "models" / "registry").iterdir()) == []


def test_without_the_gate_nobody_becomes_champion_but_by_a_reason_that_is_kept(
    registry: Tracker, capsys: CAPSYS
) -> None:
    refused = called(capsys, "models", "promote", f"models:/{NAME}@challenger")
    assert refused.code == 1
    assert "may not trade real money: agv2 golive never looked at it" in refused.err
    assert (aliases(registry), events()) == (("challenger",), [])
    empty = called(capsys, "models", "promote", f"models:/{NAME}@challenger", "--risk-real-money-without-gate", " ")
    assert (empty.code, aliases(registry)) == (1, ("challenger",))
    done = called(capsys, "models", "promote", f"models:/{NAME}@challenger", "--risk-real-money-without-gate", "drill")
    assert done.code == 0, done.err
    assert "CHAMPION WITHOUT THE GATE" in done.err
    assert (aliases(registry), events()) == (("champion",), ["override", "promotion"])
    assert called(capsys, "audit", "verify", "--account", "go-live").code == 0


def test_what_has_passed_the_gate_becomes_champion(registry: Tracker, capsys: CAPSYS) -> None:
    bundle = Path(called(capsys, "models", "fetch", f"models:/{NAME}/1").out.strip())
    environment, clock = load_environment(), SystemClock()
    limits = limits_digest(trading_settings(bundle, None, ()).risk.active)
    shown = (Requirement("bundle", True, "as it is"),)
    verdict = GateVerdict(clock.now_ns(), ModelBundle.load(bundle).digest, "TREND", limits, "journal", shown)
    GateLog(environment, clock).note_verdict(verdict, "anna")
    done = called(capsys, "models", "promote", f"models:/{NAME}/1")
    assert done.code == 0, done.err
    assert "the go-live gate was passed" in done.out
    assert f"bundle: {bundle}" in done.out
    assert aliases(registry) == ("champion",)
    assert "passed 20" in called(capsys, "models", "list").out


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        (f"models:/{NAME}@champion", "has no such version; agv2 models list"),
        (f"models:/{NAME}/9", "has no such version; agv2 models list"),
        ("models:/other/1", "there is no such model"),
        ("runs/gold", "write models:/NAME@champion or models:/NAME/VERSION"),
    ],
)
def test_what_is_not_there_is_said(reference: str, problem: str, registry: Tracker, capsys: CAPSYS) -> None:
    said = called(capsys, "models", "fetch", reference)
    assert said.code == 1
    assert problem in said.err


def test_an_empty_registry_says_how_to_fill_it(mlflow_home: Path, capsys: CAPSYS) -> None:
    assert "agv2 run … --mlflow" in called(capsys, "models", "list").out


def test_names_tell_markets_apart_whatever_they_are_called() -> None:
    names = [
        model_name(symbols, "1h")
        for symbols in (["XAUUSD"], ["XAU/USD"], ["XAU:USD"], ["A", "B"], list("ABCDE"), list("ABCDF"))
    ]
    assert len(set(names)) == len(names)
    assert not any(each in "".join(names) for each in "/:@ ")
