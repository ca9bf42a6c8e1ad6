"""Whole small trainings: what they leave, go on from and refuse."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from agv2.app.encoder_store import load_encoder
from agv2.app.encoder_training import one_encoder
from agv2.app.encoder_training.plan import EncoderRequest
from agv2.app.encoder_training.training import EncoderOutcome, train_encoders
from agv2.app.progress import RunProgress
from agv2.core.errors import AGV2Error, ConfigError, DataError
from agv2.models.pretraining import pretrain
from agv2.utils.config import parse_override
from tests.test_app.test_encoder_training.test_windows_plan import BARS, exported

Train = Callable[..., EncoderOutcome]
NO_WEIGHTS = tuple(
    parse_override(f"encoder.head_weights.{head}=0")
    for head in ("quantiles", "regime", "pattern", "levels", "reconstruction")
)
HOMES: dict[Path, Path] = {}
"""Project home of each training."""


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory, market_files: dict[str, Path]) -> Train:
    """Train at the smallest size."""

    def start(*symbols: str, **options: Any) -> EncoderOutcome:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AGV2_SMOKE", "1")
            home = tmp_path_factory.mktemp("home")
            patch.setenv("AGV2_HOME", str(home))
            options = {"out": tmp_path_factory.mktemp("trained") / "out", "quiet": True, **options}
            bars = tuple(market_files[symbol] for symbol in symbols or ("TREND",))
            outcome = train_encoders(EncoderRequest(bars=bars, **options))
            HOMES[outcome.out] = home
            return outcome

    return start


@pytest.fixture(scope="module")
def finished(train: Train) -> EncoderOutcome:
    return train(n_seeds=2)


@pytest.fixture
def copy(finished: EncoderOutcome, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.out, tmp_path / "copy"))


def weights(out: Path, seed: int) -> dict[str, Any]:
    with np.load(out / f"folds/seed_{seed}/encoder.npz") as stored:
        return dict(stored)


def test_it_leaves_encoders_evidence_and_settings(finished: EncoderOutcome) -> None:
    out, report = finished.out, finished.report
    assert {path.name for path in out.iterdir()} == {
        "config",
        "evidence.html",
        "evidence.json",
        "folds",
        "training.log",
    }
    document = json.loads((out / "evidence.json").read_text(encoding="utf-8"))
    assert [one["seed"] for one in document["seeds"]] == [7, 8]
    for one, seed in zip(document["seeds"], (7, 8), strict=True):
        stored = load_encoder(HOMES[out] / "models/encoders" / one["name"])
        assert (stored.origin.symbols, stored.origin.seed) == (("TREND",), seed)
        for name, values in stored.encoder.pretrained.arrays().items():
            np.testing.assert_array_equal(values, weights(out, seed)[name], err_msg=name)
    assert {head["head"] for head in document["heads"]} == {
        "quantiles", "regime", "pattern", "levels", "reconstruction"
    }  # fmt: skip
    for head, evidence in zip(document["heads"], report.heads, strict=True):
        assert head["finding"] in ("better", "draw", "worse")
        assert head["best_baseline"] == min(evidence.comparisons, key=lambda each: each.loss).baseline
        assert len(head["seed_losses"]) == 2
    assert document["seeds"][0]["looks"][-1]["selection"]
    assert "nothing here is a result" in " ".join(document["notes"])
    assert "2 encoders" in (out / "evidence.html").read_text(encoding="utf-8")


def test_seeds_differ_and_a_seed_repeats(finished: EncoderOutcome, train: Train) -> None:
    again = train(n_seeds=1)
    for name, values in weights(finished.out, 7).items():
        np.testing.assert_array_equal(values, weights(again.out, 7)[name], err_msg=name)
    assert any((values != weights(finished.out, 8)[name]).any() for name, values in weights(finished.out, 7).items())


def test_it_goes_on_where_it_was_stopped(
    finished: EncoderOutcome, copy: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(copy / "folds/seed_8")
    (copy / "evidence.html").unlink()
    trained: list[int] = []
    real = pretrain

    def counted(series: Any, config: Any, steps: int, seed: int, *others: Any) -> Any:
        trained.append(seed)
        return real(series, config, steps, seed, *others)

    monkeypatch.setattr(one_encoder, "pretrain", counted)
    resumed = train(n_seeds=2, out=copy, resume=True)
    assert trained == [8]
    assert resumed.report.heads == finished.report.heads
    assert (copy / "evidence.html").read_text("utf-8") == (finished.out / "evidence.html").read_text("utf-8")


def test_an_encoder_goes_on_within_its_training(
    finished: EncoderOutcome, copy: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(copy / "folds/seed_8")
    with monkeypatch.context() as patch:

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(RunProgress, "show", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(n_seeds=2, out=copy, resume=True)
    assert list((copy / "folds/seed_8/encoder_unfinished").iterdir())
    train(n_seeds=2, out=copy, resume=True)
    assert not (copy / "folds/seed_8/encoder_unfinished").exists()
    for name, values in weights(finished.out, 8).items():
        np.testing.assert_array_equal(values, weights(copy, 8)[name], err_msg=name)


@pytest.mark.parametrize(
    ("symbols", "options", "said"),
    [
        (("XAUUSD",), {}, "other bars or --symbol"),
        ((), {"seed": 3}, "other --seed or --seeds"),
        ((), {"holdout_frac": 0.3}, "other --holdout"),
        ((), {"overrides": (parse_override("encoder.dropout=0.3"),)}, "other settings"),
        ((), {"overrides": (parse_override("markets.default.asset_class=crypto"),)}, "other asset classes"),
    ],
)
def test_encoders_of_something_else_are_refused_before_any_training(
    copy: Path, train: Train, symbols: tuple[str, ...], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        train(*symbols, out=copy, resume=True, **{"n_seeds": 2, **options})


def test_encoders_of_another_feature_set_are_refused_before_any_training(copy: Path, train: Train) -> None:
    state = json.loads((copy / "folds/state.json").read_text("utf-8"))
    state["identity"]["features"][0] = ["log_return_2", 2]
    (copy / "folds/state.json").write_text(json.dumps(state), "utf-8")
    with pytest.raises(ConfigError, match="started with other features;"):
        train(out=copy, resume=True, n_seeds=2)


def test_without_a_directory_the_home_has_one_whose_name_says_what_it_is(train: Train) -> None:
    outcome = train(out=None)
    assert outcome.out.parent.parts[-2:] == ("models", "trainings")
    assert outcome.out.name.startswith("TREND_tcn_")


def test_the_only_head_cannot_be_left_out(tmp_path: Path, train: Train) -> None:
    with pytest.raises(ConfigError, match="without head quantiles nothing is left to train"):
        train(out=tmp_path / "out", ablate=True, overrides=NO_WEIGHTS[1:])
    assert not (tmp_path / "out").exists()


def test_another_holdout_is_another_encoder(finished: EncoderOutcome, train: Train) -> None:
    other = train(n_seeds=1, holdout_frac=0.4).report.seeds[0]
    assert other.name != finished.report.seeds[0].name


def test_a_home_that_keeps_nothing_is_said_before_anything_is_trained(
    tmp_path: Path, market_files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("a file")
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AGV2_SMOKE", "1")
    request = EncoderRequest(bars=(market_files["TREND"],), out=tmp_path / "out", quiet=True)
    with pytest.raises(ConfigError, match=r"encoders cannot be kept there .* set AGV2_HOME"):
        train_encoders(request)
    assert not (tmp_path / "out").exists()


def test_windows_whose_symbol_is_a_path_and_whose_returns_have_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = exported(tmp_path, BARS)
    frame = pl.read_parquet(path).with_columns(
        symbol=pl.lit("../../../etc/x"),
        future_returns=pl.col("future_returns").arr.to_list().list.head(2).list.concat(pl.lit([None]))
        .cast(pl.Array(pl.Float32, 3)),
    )  # fmt: skip
    frame.write_parquet(tmp_path / "odd.parquet")
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "a/b/c/home"))
    monkeypatch.setenv("AGV2_SMOKE", "1")
    small = tuple(parse_override(f"encoder.{each}") for each in ("window=32", "mask_span=4", "channels=8"))
    outcome = train_encoders(EncoderRequest(windows=tmp_path / "odd.parquet", overrides=small, quiet=True))
    assert outcome.out.parent == tmp_path / "a/b/c/home/models/trainings"
    assert "quantiles" not in {each.head for each in outcome.report.heads}
    assert any("knows no target in future_returns" in note for note in outcome.report.notes)


def test_several_symbols_train_one_encoder(train: Train) -> None:
    report = train("TREND", "XAUUSD").report
    assert [span.symbol for span in report.spans] == ["TREND", "XAUUSD"]
    assert {each.symbol for each in report.heads} == {"TREND", "XAUUSD"}
    assert len(report.seeds) == 1


def test_without_a_head_the_others_are_trained_and_scored_again(train: Train) -> None:
    report = train(ablate=True).report
    heads = {each.head for each in report.heads}
    assert {(each.without, each.head) for each in report.ablation} == {(a, b) for a in heads for b in heads if a != b}
    without_linear = [each for each in report.ablation if each.without == "reconstruction"]
    assert all(np.isfinite(each.change.mean) for each in without_linear)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"windows": Path("w.parquet")}, ConfigError, "give either --bars"),
        ({"bars": ()}, ConfigError, "give either --bars"),
        ({"resume": True}, ConfigError, "holds no run to continue"),
        ({"holdout_frac": 0.0}, ConfigError, "--holdout 0"),
        ({"overrides": (parse_override("encoder.backbone=mamba"),)}, ConfigError, "encoder.backbone"),
        ({"overrides": (parse_override("encoder.window=513"),)}, ConfigError, "cannot be met exactly"),
        ({"overrides": (parse_override("markets.GOLD.leverage=3"),)}, ConfigError, "no symbol of this run is GOLD"),
        ({"overrides": (parse_override("encoder.embargo_bars=3000"),)}, DataError, "give more bars"),
        ({"overrides": NO_WEIGHTS}, ConfigError, "nothing to train"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    train: Train,
    tmp_path: Path,
    market_files: dict[str, Path],
    options: dict[str, Any],
    error: type[AGV2Error],
    said: str,
) -> None:
    out = tmp_path / "out"
    with pytest.raises(error, match=said):
        train_encoders(EncoderRequest(**{"bars": (market_files["TREND"],), "out": out, "quiet": True, **options}))
    assert not out.exists()


def test_a_server_that_should_be_told_and_is_not_there_is_said_before_anything_is_written(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())  # what the tracker sets is gone after the test
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_URI"):
        train(out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
