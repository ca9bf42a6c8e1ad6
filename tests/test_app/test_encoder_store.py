"""What was trained is what is loaded, and nothing else is loaded."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from agv2.app import encoder_store as module
from agv2.app.encoder_store import EncoderOrigin, load_encoder, save_encoder
from agv2.app.fold_training import FoldEncoder
from agv2.core.errors import BundleError
from agv2.models.head_scores import HeadScore
from agv2.models.masked_model import MaskedModel
from agv2.models.normalizer import Normalizer
from agv2.models.pretraining import PretrainedEncoder
from agv2.models.sealed_files import seal
from agv2.models.training_log import TrainingLook
from tests.test_models.markets import N_FEATURES, SMALL, TINY

FEATURES = (("log_return_1", 2), ("log_return_3", 4), ("range", 1), ("gap", 2))
ORIGIN = EncoderOrigin(("XAUUSD", "ETHUSD"), ("metal", "crypto"), "1h", FEATURES, "d" * 64, seed=7, steps=280)


def an_encoder(backbone: str = "tcn") -> FoldEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MaskedModel(N_FEATURES, SMALL[backbone]).eval()
        for weight in model.parameters():
            torch.nn.init.normal_(weight, 0.0, 0.5)
    score = HeadScore("regime", "log_loss", 0.9, {"class shares": 1.0}, train_score=0.8, validation_score=0.85)
    looks = (
        TrainingLook(0, {}, {"regime": 0.95}, 0.0),
        TrainingLook(35, {"regime": 0.9}, {"regime": 0.85}, 1e-3),
    )
    pretrained = PretrainedEncoder(SMALL[backbone], model, (score,), steps=140, best_step=35, log=looks)
    return FoldEncoder(Normalizer.fit(np.random.default_rng(0).standard_normal((100, N_FEATURES))), pretrained)


@pytest.mark.parametrize("backbone", SMALL)
def test_everything_survives_the_disk(backbone: str, tmp_path: Path) -> None:
    encoder = an_encoder(backbone)
    found = load_encoder(save_encoder(tmp_path, encoder, ORIGIN))
    assert found.origin == ORIGIN
    for ours, theirs in (
        (found.encoder.pretrained.arrays(), encoder.pretrained.arrays()),
        (found.encoder.normalizer.arrays(), encoder.normalizer.arrays()),
    ):
        assert ours.keys() == theirs.keys()
        for name, values in theirs.items():
            np.testing.assert_array_equal(ours[name], values)
    for name in ("config", "scores", "steps", "best_step", "log"):
        assert getattr(found.encoder.pretrained, name) == getattr(encoder.pretrained, name)
    assert not found.encoder.pretrained.model.training


def test_scores_that_are_not_known_stay_unknown(tmp_path: Path) -> None:
    encoder = an_encoder()
    (score,) = encoder.pretrained.scores
    pretrained = replace(encoder.pretrained, scores=(replace(score, train_score=float("nan")),))
    found = load_encoder(save_encoder(tmp_path, replace(encoder, pretrained=pretrained), ORIGIN))
    assert np.isnan(found.encoder.pretrained.scores[0].train_score)


def test_the_name_follows_from_data_settings_seed_and_steps_alone(tmp_path: Path) -> None:
    encoder = an_encoder()
    name = save_encoder(tmp_path, encoder, ORIGIN).name
    assert name.startswith("XAUUSD-ETHUSD_1h_tcn_")
    longer = replace(encoder.pretrained, steps=141)
    assert save_encoder(tmp_path, replace(encoder, pretrained=longer), ORIGIN).name == name
    idle = TINY.model_copy(update={"lstm": TINY.lstm.model_copy(update={"layers": 3})})
    same = replace(encoder, pretrained=replace(encoder.pretrained, config=idle))
    assert save_encoder(tmp_path, same, ORIGIN).name == name, "settings of another backbone have no effect"
    other_config = TINY.model_copy(update={"dropout": 0.2})
    others = [
        save_encoder(tmp_path, encoder, replace(ORIGIN, **change)).name
        for change in ({"data_digest": "e" * 64}, {"seed": 8}, {"steps": 281}, {"symbols": ("A", "B")})
    ] + [save_encoder(tmp_path, replace(encoder, pretrained=replace(encoder.pretrained, config=other_config)), ORIGIN)]
    assert len({name, *map(str, others)}) == 6


def test_many_or_odd_symbols_make_a_name_that_any_disk_takes(tmp_path: Path) -> None:
    symbols = ("EUR/USD", "US30.cash", "C", "D", "E")
    origin = replace(ORIGIN, symbols=symbols, asset_classes=("other",) * 5)
    assert save_encoder(tmp_path, an_encoder(), origin).name.startswith("EURUSD-US30cash-C-2more_1h_tcn_")


def test_the_same_again_replaces_what_is_there_even_if_it_is_damaged(tmp_path: Path) -> None:
    directory = save_encoder(tmp_path, an_encoder(), ORIGIN)
    (directory / "encoder.npz").write_bytes(b"")
    assert save_encoder(tmp_path, an_encoder(), ORIGIN) == directory
    load_encoder(directory)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [directory.name]


def test_a_disk_that_fails_half_way_leaves_the_encoder_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = save_encoder(tmp_path, an_encoder(), ORIGIN)
    replace_file, calls = os.replace, []

    def failing(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        replace_file(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing)
        with pytest.raises(OSError, match="No space"):
            save_encoder(tmp_path, an_encoder(), ORIGIN)
    load_encoder(directory)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [directory.name]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return save_encoder(tmp_path, an_encoder(), ORIGIN)


@pytest.mark.parametrize("name", ["manifest.json", "encoder.npz", "normalizer.npz"])
def test_a_missing_or_changed_file_is_named(name: str, kept: Path) -> None:
    content = bytearray((kept / name).read_bytes())
    content[len(content) // 2] ^= 1
    (kept / name).write_bytes(content)
    with pytest.raises(BundleError, match=name) as changed:
        load_encoder(kept)
    (kept / name).unlink()
    with pytest.raises(BundleError, match=name) as missing:
        load_encoder(kept)
    assert all("\n" not in str(error.value) for error in (changed, missing))


def resealed(directory: Path, change: Callable[[dict[str, object]], None]) -> None:
    """A manifest that is in itself in order, as a defect of ours would write it."""
    manifest = json.loads((directory / "manifest.json").read_text("utf-8"))
    del manifest["manifest_sha256"]
    change(manifest)
    (directory / "manifest.json").write_bytes(seal(manifest))


def test_settings_that_the_weights_do_not_fit_are_refused(kept: Path) -> None:
    resealed(kept, lambda manifest: manifest["config"].update(channels=16))  # type: ignore[attr-defined]
    with pytest.raises(BundleError, match="weights do not fit the configuration"):
        load_encoder(kept)


def test_settings_of_another_version_are_refused(kept: Path) -> None:
    resealed(kept, lambda manifest: manifest["config"].update(no_such_setting=1))  # type: ignore[attr-defined]
    with pytest.raises(BundleError, match="not what this version of AGV2 saves") as refusal:
        load_encoder(kept)
    assert "\n" not in str(refusal.value)


def test_weights_that_are_not_numbers_are_neither_kept_nor_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = an_encoder()
    with torch.no_grad():
        encoder.pretrained.model.mask[0] = float("nan")
    with pytest.raises(BundleError, match="mask holds numbers that are not finite"):
        save_encoder(tmp_path, encoder, ORIGIN)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_require_usable", lambda *_: None)
        directory = save_encoder(tmp_path, encoder, ORIGIN)
    with pytest.raises(BundleError, match="mask holds numbers that are not finite"):
        load_encoder(directory)


def test_an_origin_of_other_features_than_the_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="weights 4, normaliser 4, features 3"):
        save_encoder(tmp_path, an_encoder(), replace(ORIGIN, features=FEATURES[:3]))


@pytest.mark.parametrize(
    ("features", "timeframe", "config", "told"),
    [
        (FEATURES, "5m", TINY, "was trained on 1h bars, not 5m"),
        (FEATURES[:3], "1h", TINY, "not computed: gap;"),
        ((*FEATURES, ("new", 5)), "1h", TINY, "does not know the features new;"),
        ((("log_return_1", 9), *FEATURES[1:]), "1h", TINY, "another lookback: log_return_1;"),
        (FEATURES[::-1], "1h", TINY, "another order"),
        (FEATURES, "1h", TINY.model_copy(update={"window": 64}), r"other settings: encoder\.window;"),
        (FEATURES, "1h", SMALL["lstm"], r"other settings: encoder\.backbone"),
    ],
)
def test_another_program_is_told_what_differs(
    features: tuple[tuple[str, int], ...], timeframe: str, config: object, told: str, kept: Path
) -> None:
    with pytest.raises(BundleError, match=told):
        load_encoder(kept).require_matches(features, timeframe, config)  # type: ignore[arg-type]  # of the table


def test_how_an_encoder_was_trained_is_nothing_that_must_match(kept: Path) -> None:
    load_encoder(kept).require_matches(FEATURES, "1h", TINY.model_copy(update={"learning_rate": 1e-4, "patience": 9}))


PROGRAM = """
import sys
from pathlib import Path
from agv2.app.encoder_store import save_encoder
from tests.test_app.test_encoder_store import ORIGIN, an_encoder
encoder = an_encoder()
for _ in range(20):
    save_encoder(Path(sys.argv[1]), encoder, ORIGIN)
"""


def test_processes_that_save_the_same_at_once_leave_one_that_is_whole(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])}
    words = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    running = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=env) for _ in range(2)]
    for process in running:
        _, problem = process.communicate(timeout=200)
        assert process.returncode == 0, problem
    (directory,) = (path for path in tmp_path.iterdir() if path.is_dir())
    load_encoder(directory)
