"""A whole small challenger: what it leaves, knows and goes on from, and what is refused."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agv2.app.challenger import training
from agv2.app.challenger.plan import CHALLENGER_EXPERIMENT, ChallengerRequest, make_challenger_plan
from agv2.app.challenger.training import ChallengerOutcome, train_challenger
from agv2.app.fold_tapes import policy_tapes
from agv2.app.policy_fitting import policy_spans
from agv2.app.tracking.registry import registered_models
from agv2.app.tracking.server import open_tracker
from agv2.core.errors import AGV2Error
from agv2.data.bars_file import read_bars, write_bars
from agv2.models.bundle import ModelBundle
from agv2.models.policy import PolicyNetwork
from agv2.rl.policy_adapter import TorchPolicy
from agv2.rl.validation import score_policy
from agv2.utils.config import parse_override
from agv2.utils.environment import load_environment
from tests.markets import scrambled_after

Train = Callable[..., ChallengerOutcome]
SMALL = tuple(
    parse_override(f"rl_policy.{setting}")
    for setting in ("n_books=16", "n_steps=16", "batch_size=64", "n_evaluations=3")
)


@pytest.fixture(scope="module")
def ask(
    untrained_bundle: Path, market_files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., ChallengerRequest]:
    def request(**changes: Any) -> ChallengerRequest:
        usual: dict[str, Any] = {
            "bundle": untrained_bundle, "bars": (market_files["TREND"],), "quiet": True, "overrides": SMALL,
        }  # fmt: skip
        if "out" not in changes:
            usual["out"] = tmp_path_factory.mktemp("challenger") / "out"
        return ChallengerRequest(**usual | changes)

    return request


@pytest.fixture(autouse=True)
def _rehearsal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AGV2_SMOKE", "1")
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def stopped(request: ChallengerRequest, before: str) -> None:
    """Kill a training before a stage's work."""

    def kill(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, before, kill)
        with pytest.raises(KeyboardInterrupt):
            train_challenger(request)


@pytest.fixture(scope="module")
def finished(ask: Callable[..., ChallengerRequest], tmp_path_factory: pytest.TempPathFactory) -> ChallengerOutcome:
    """Killed before its bundle, and gone on with."""
    request = ask()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGV2_SMOKE", "1")
        patch.setenv("AGV2_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        stopped(request, "write_bundle")
        left = {path.name for path in request.out.iterdir()}
        assert left == {"config", "folds", "training.log"}, "nothing half made"
        patch.setattr(training, "fit_policy", pytest.fail)  # it is on disk
        return train_challenger(ask(out=request.out, resume=True))


def test_it_leaves_a_bundle_a_page_settings_and_where_it_comes_from(
    finished: ChallengerOutcome, untrained_bundle: Path
) -> None:
    out = finished.out
    assert {path.name for path in out.iterdir()} == {
        "bundle", "config", "folds", "challenger.html", "challenger.json", "training.log"
    }  # fmt: skip
    champion, challenger = ModelBundle.load(untrained_bundle), ModelBundle.load(out / "bundle")
    assert challenger.manifest.parent == champion.digest
    assert champion.manifest.known_until_ns < challenger.manifest.known_until_ns < finished.report.spans[0].test_from_ns
    assert challenger.manifest.bars_per_year == champion.manifest.bars_per_year
    for name in ("encoder.npz", "normalizer.npz"):
        assert challenger.read(name) == champion.read(name), "only the policy was trained"
    assert challenger.read("policy.npz") != champion.read("policy.npz")
    assert challenger.reference().features["TREND"] is not None
    document = json.loads((out / "challenger.json").read_text(encoding="utf-8"))
    assert document["champion"]["digest"] == champion.digest
    assert document["challenger"]["digest"] == challenger.digest
    assert document["challenger"]["began_as_the_champion"] is True
    assert [lead["name"] for lead in document["leads"]] == ["challenger over champion", "challenger", "champion"]
    page = (out / "challenger.html").read_text(encoding="utf-8")
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    assert finished.report.contest.words in page


def test_it_begins_as_the_champion_and_newer_bars_alone_teach_it(
    ask: Callable[..., ChallengerRequest], finished: ChallengerOutcome, untrained_bundle: Path
) -> None:
    plan = make_challenger_plan(ask())
    (fold,), stamps = plan.folds, plan.run.markets[0].bars.ts_ns
    known = ModelBundle.load(untrained_bundle).manifest.known_until_ns
    assert stamps[fold.train_lo - 1] == known
    gap = plan.run.settings.label_reach + plan.run.settings.backtest.embargo_bars
    assert fold.test_lo - fold.train_hi >= gap
    tapes = policy_tapes(plan.run, plan.folds, plan.encoder, (), pytest.fail)
    _, validation = policy_spans(plan.run, plan.folds)
    score = score_policy(tapes, validation, TorchPolicy(plan.policy), plan.run.initial_equity)
    assert finished.report.looks[0]["fills"] == score.fills
    assert finished.report.looks[0]["log_growth"] == pytest.approx(score.log_growth, rel=1e-3, abs=1e-6)


def test_no_bar_held_out_moves_the_policy(
    ask: Callable[..., ChallengerRequest], finished: ChallengerOutcome, market_files: dict[str, Path], tmp_path: Path
) -> None:
    bars = read_bars(market_files["TREND"]).bars
    last = int(np.searchsorted(bars.ts_ns, finished.report.spans[0].train_until_ns))
    other = tmp_path / "TREND_1h.parquet"
    write_bars(scrambled_after(bars, last), other)
    request = ask(bars=(other,), accept_defects=True)
    stopped(request, "fold_edge" if finished.report.challenger_edge is not None else "unseen_tapes")
    with (
        np.load(request.out / "folds/1/policy_0.npz") as ours,
        np.load(finished.out / "folds/1/policy_0.npz") as theirs,
    ):
        for name in theirs:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_with_mlflow_it_is_told_and_registered_as_the_challenger(
    ask: Callable[..., ChallengerRequest], finished: ChallengerOutcome, mlflow_home: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished.out, tmp_path / "out")
    found = train_challenger(ask(out=tmp_path / "out", resume=True, mlflow=True))
    assert found.registered == "models:/agv2-TREND-1h/1"
    tracker = open_tracker(load_environment(), ask().clock, CHALLENGER_EXPERIMENT, wanted=True)
    assert tracker is not None
    (model,) = registered_models(tracker.client)
    assert model.aliases == ("challenger",)
    assert model.digest == found.report.challenger_digest
    assert model.tags["champion"] == found.report.champion_digest
    assert model.tags["finding"] == found.report.contest.finding
    (run,) = tracker.client.search_runs([tracker.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["champion"] == found.report.champion_digest
    assert "held_out/challenger/net_return" in run.data.metrics
    assert len(tracker.client.get_metric_history(run.info.run_id, "reward")) == 16, "of the process that was killed"


def test_where_the_champion_stays_flat_the_policy_is_a_new_one_and_says_so(
    ask: Callable[..., ChallengerRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = PolicyNetwork(ModelBundle.load(ask().bundle).policy().n_observations, 15)
    with torch.no_grad():
        network.action_net.weight.zero_()
    monkeypatch.setattr(ModelBundle, "policy", lambda self: network)
    plan = make_challenger_plan(ask())
    assert plan.start is None
    assert plan.run.settings.rl_policy.hindsight is not None
    assert any("stays flat whatever it sees" in note for note in plan.run.notes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"holdout_frac": 1.5}, "--holdout 1.5: expected a share"),
        ({"symbols": ("XAUUSD",)}, r"--bars: XAUUSD, but .* trades TREND"),
        ({"bundle": Path("nowhere")}, "there is no bundle here"),
        ({"holdout_frac": 0.95}, r"bars until .* are known to the champion; --holdout 0.95"),
        ({"resume": True}, "holds no run to continue"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    changes: dict[str, Any], problem: str, ask: Callable[..., ChallengerRequest]
) -> None:
    request = ask(**changes)
    with pytest.raises(AGV2Error, match=problem):
        train_challenger(request)
    assert not request.out.exists()


def test_bars_that_the_champion_knows_teach_nothing(
    ask: Callable[..., ChallengerRequest], market_files: dict[str, Path], tmp_path: Path
) -> None:
    bars = read_bars(market_files["TREND"]).bars
    write_bars(bars.slice(0, 1_800), tmp_path / "TREND_1h.parquet")
    with pytest.raises(AGV2Error, match="a challenger needs newer ones"):
        make_challenger_plan(ask(bars=(tmp_path / "TREND_1h.parquet",)))
