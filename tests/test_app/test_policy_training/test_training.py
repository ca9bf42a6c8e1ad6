"""Whole small trainings of policies: what they leave, know, go on from and refuse."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agv2.app.encoder_training.plan import EncoderRequest
from agv2.app.encoder_training.training import train_encoders
from agv2.app.policy_training.plan import PolicyRequest
from agv2.app.policy_training.rewards_shown import ShownRewards
from agv2.app.policy_training.training import PolicyOutcome, train_policies
from agv2.core.errors import AGV2Error, ConfigError
from agv2.data.bars_file import read_bars, write_bars
from agv2.models.bundle import ModelBundle
from agv2.models.sealed_files import seal
from agv2.rl.training import CHECKPOINT
from agv2.utils.config import parse_override
from tests.markets import scrambled_after

Train = Callable[..., PolicyOutcome]
SMALL = tuple(
    parse_override(f"rl_policy.{setting}")
    for setting in (
        "n_books=16", "n_steps=16", "batch_size=64", "n_evaluations=3",
        "sac.learning_starts=512", "sac.buffer_size=4000",
    )
)  # fmt: skip
"""Sixteen rollouts within the steps of a rehearsal."""
SAC = parse_override("rl_policy.algorithm=sac")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory, market_files: dict[str, Path], home: Path) -> Train:
    """Train at the smallest size."""

    def start(bars: Path = market_files["TREND"], **options: Any) -> PolicyOutcome:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AGV2_SMOKE", "1")
            patch.setenv("AGV2_HOME", str(home))
            options = {
                "out": tmp_path_factory.mktemp("trained") / "out", "quiet": True, "overrides": SMALL, "n_seeds": 1,
                **options,
            }  # fmt: skip
            return train_policies(PolicyRequest(bars=(bars,), **options))

    return start


@pytest.fixture(scope="module")
def finished(train: Train) -> PolicyOutcome:
    return train(n_seeds=2)


@pytest.fixture(scope="module")
def stored(market_files: dict[str, Path], home: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of an encoder that `agv2 train encoder` kept, of the same bars."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGV2_SMOKE", "1")
        patch.setenv("AGV2_HOME", str(home))
        out = tmp_path_factory.mktemp("encoder") / "out"
        request = EncoderRequest(bars=(market_files["TREND"],), n_seeds=1, out=out, quiet=True)
        return train_encoders(request).report.seeds[0].name


def weights(out: Path, number: int = 0) -> dict[str, Any]:
    with np.load(out / f"folds/1/policy_{number}.npz") as found:
        return dict(found)


def require_same(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    for name, values in ours.items():
        np.testing.assert_array_equal(values, theirs[name], err_msg=name)


def test_it_leaves_policies_a_page_settings_and_a_bundle(finished: PolicyOutcome) -> None:
    out = finished.out
    assert {path.name for path in out.iterdir()} == {
        "bundle", "config", "folds", "policies.html", "policies.json", "training.log"
    }  # fmt: skip
    document = json.loads((out / "policies.json").read_text(encoding="utf-8"))
    assert [one["seed"] for one in document["seeds"]] == [7, 8]
    for one in document["seeds"]:
        assert [point["step"] for point in one["curve"]] == [256 * k for k in range(1, 17)]
        terms = {
            "reward",
            "reward/log_equity",
            "reward/drawdown",
            "reward/trades",
            "reward/hold",
            "drawdown",
            "entropy",
        }
        assert terms <= set(one["curve"][0])
        assert one["best_step"] in [look["step"] for look in one["looks"]]
        best = max(look["sharpe_per_bar"] for look in one["looks"])
        assert one["validation_sharpe_per_bar"] == best, "chosen by validation"
    assert set(document["baselines"]) == {"flat", "buy_and_hold", "volatility_targeted_buy_and_hold"}
    assert set(document["ensemble"]) == set(document["seeds"][0]["test"]) == set(document["baselines"]["flat"])
    assert len(document["ensemble"]) == 16
    assert document["encoder_fitted_on_these_bars"] is True
    assert "nothing here is a result" in " ".join(document["notes"])
    assert (weights(out, 0)["action_net.weight"] != weights(out, 1)["action_net.weight"]).any()
    both = ModelBundle.load(out / "bundle").policy()
    rows = torch.ones(1, both.n_observations)
    mean = np.mean([weights(out, number)["action_net.bias"] for number in (0, 1)], axis=0)
    assert both.action_net.bias.detach().numpy() == pytest.approx(mean)
    assert torch.isfinite(both(rows).logits).all()


def test_the_page_opens_offline_and_shows_every_curve(finished: PolicyOutcome) -> None:
    page = (finished.out / "policies.html").read_text(encoding="utf-8")
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    titles = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert titles[:3] == [
        "Gain since the first test bar", "Sharpe ratio per bar of the validation block", "Reward per step, all terms"
    ]  # fmt: skip
    assert {"Log return of equity, after costs", "Penalty for drawdown", "Worst drawdown of an episode"} <= set(titles)
    assert page.count("all seeds as one") >= 3
    assert "2 policies as one: " in page


def test_no_policy_knows_a_bar_that_tests_it(
    finished: PolicyOutcome, train: Train, market_files: dict[str, Path], tmp_path: Path
) -> None:
    """Everything from the first purged bar on is scrambled: not one bit of encoder or policy moves."""
    span = finished.report.spans[0]
    bars = read_bars(market_files["TREND"]).bars
    last = int(np.searchsorted(bars.ts_ns, span.train_until_ns))
    assert bars.ts_ns[last] == span.train_until_ns
    other = tmp_path / "TREND_1h.parquet"
    write_bars(scrambled_after(bars, last), other)
    found = train(other, accept_defects=True)
    assert found.report.ensemble.report.net_return != finished.report.seeds[0].test.report.net_return
    require_same(weights(finished.out), weights(found.out))


@pytest.mark.parametrize("overrides", [SMALL, pytest.param((*SMALL, SAC), marks=pytest.mark.slow)], ids=["ppo", "sac"])
def test_a_policy_goes_on_within_its_training_to_the_same_bits(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: Any
) -> None:
    whole = train(overrides=overrides)
    out = tmp_path / "out"
    with monkeypatch.context() as patch:

        def interrupt(self: object, fraction: float, detail: str) -> None:
            if fraction > 0.6:
                raise KeyboardInterrupt

        patch.setattr(ShownRewards, "__call__", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(out=out, overrides=overrides)
    assert (out / "folds/1/policy_0_unfinished" / CHECKPOINT).is_file()
    resumed = train(out=out, overrides=overrides, resume=True)
    require_same(weights(whole.out), weights(out))
    assert not (out / "folds/1/policy_0_unfinished").exists()
    ours, theirs = resumed.report.document(), whole.report.document()
    del ours["runtime_s"], theirs["runtime_s"]
    assert ours == theirs
    assert ours["algorithm"] == ("sac" if SAC in overrides else "ppo")


def test_a_damaged_checkpoint_is_said_in_one_line(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:

        def interrupt(self: object, fraction: float, detail: str) -> None:
            if fraction > 0.6:
                raise KeyboardInterrupt

        patch.setattr(ShownRewards, "__call__", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(out=out)
    path = out / "folds/1/policy_0_unfinished" / CHECKPOINT
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 4
    path.write_bytes(changed)
    with pytest.raises(AGV2Error, match="was changed; delete it to train from the start"):
        train(out=out, resume=True)


def test_a_stored_encoder_is_used_as_it_is(train: Train, stored: str, home: Path) -> None:
    by_name = train(encoder=stored)
    document = by_name.report.document()
    assert document["encoder"] == stored
    assert document["encoder_fitted_on_these_bars"] is True
    assert not (by_name.out / "folds/1/encoder.npz").exists(), "none was trained"
    by_path = train(encoder=str(home / "models/encoders" / stored))
    require_same(weights(by_name.out), weights(by_path.out))
    bundle, own = ModelBundle.load(by_name.out / "bundle"), np.load(home / "models/encoders" / stored / "encoder.npz")
    for name, values in bundle.pretrained().arrays().items():
        np.testing.assert_array_equal(values, own[name])


@pytest.mark.slow
def test_an_encoder_of_other_bars_may_have_seen_the_test_and_the_results_say_so(
    train: Train, stored: str, market_files: dict[str, Path]
) -> None:
    found = train(market_files["XAUUSD"], encoder=stored).report
    assert found.encoder_fitted_on_these_bars is False
    assert any("whether it has seen bars of the test is not known" in note for note in found.notes)
    longer = train(encoder=stored, holdout_frac=0.3).report
    assert longer.encoder_fitted_on_these_bars is False


def test_an_encoder_of_another_feature_set_is_refused_before_anything_is_written(
    train: Train, stored: str, home: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(home / "models/encoders" / stored, tmp_path / "other"))
    manifest = json.loads((other / "manifest.json").read_text("utf-8"))
    del manifest["manifest_sha256"]
    manifest["origin"]["features"][0] = ["a_feature_of_before", 2]
    (other / "manifest.json").write_bytes(seal(manifest))
    with pytest.raises(AGV2Error, match="reads features that are not computed: a_feature_of_before"):
        train(encoder=str(other), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"encoder": "nothing_like_it"}, r"--encoder nothing_like_it: neither a directory nor an encoder in"),
        ({"holdout_frac": 1.5}, "--holdout 1.5: expected a share between 0 and 1"),
        ({"holdout_frac": 0.93}, "(?s)needed.*--holdout 0.93"),
        (
            {"overrides": (parse_override("backtest.embargo_bars=3000"),)},
            "to train a policy on and .* purged leave none",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    train: Train, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(AGV2Error, match=said):
        train(out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_an_unknown_algorithm_is_refused(train: Train, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"algorithm.*'ppo' or 'sac'"):
        train(out=tmp_path / "out", overrides=(parse_override("rl_policy.algorithm=td3"),))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": 3}, "other settings or --profile|other --seed"),
        ({"holdout_frac": 0.3}, "other --holdout"),
        ({"overrides": (*SMALL, parse_override("rl_policy.gamma=0.8"))}, "other settings"),
    ],
)
def test_policies_of_something_else_are_refused_before_any_training(
    finished: PolicyOutcome, train: Train, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        train(out=finished.out, resume=True, **{"n_seeds": 2, **options})
    with pytest.raises(ConfigError, match="not empty; add --resume to continue it"):
        train(out=finished.out, n_seeds=2)
