"""Embeddings from disk are those that would be computed, whatever happens to the disk."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agv2.app import embedding_cache as module
from agv2.app.embedding_cache import LEAST_BARS, EmbeddingCache
from agv2.core.arrays import Float32Array
from agv2.models.config import ASSET_CLASSES
from agv2.models.embedding import embed_history
from agv2.models.head_outputs import HeadOutputs
from agv2.models.masked_model import MaskedModel
from agv2.models.pretraining import PretrainedEncoder
from agv2.models.threads import torch_threads
from tests.test_models.markets import N_FEATURES, SMALL, TINY

N_BARS = 500
ROOM = 100_000_000
FEATURES = np.random.default_rng(0).standard_normal((N_BARS, N_FEATURES)).astype(np.float32)


@pytest.fixture(autouse=True)
def _short_histories_pay_too(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "LEAST_BARS", N_BARS)
    with torch_threads(1):
        yield


def an_encoder(seed: int = 0, backbone: str = "tcn") -> PretrainedEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MaskedModel(N_FEATURES, SMALL[backbone]).eval()
        for weight in model.parameters():
            torch.nn.init.normal_(weight, 0.0, 0.5)
    return PretrainedEncoder(SMALL[backbone], model)


ENCODER = an_encoder()


def refuse(*_: Any) -> HeadOutputs:
    raise AssertionError("computed again")


def only_widths(*given: Any) -> HeadOutputs:
    """Widths are learnt from one row; a whole history is computed again."""
    return embed_history(*given) if len(given[2]) == 1 else refuse()


def cached(
    directory: Path, encoder: PretrainedEncoder = ENCODER, features: Float32Array = FEATURES, **other: Any
) -> HeadOutputs:
    told: list[str] = []
    outputs = EmbeddingCache(directory, other.get("limit", ROOM), told.append).outputs(
        encoder, features, other.get("asset_class", 0), "TEST"
    )
    assert told == other.get("told", [])
    return outputs


def entries(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.embeddings"))


def assert_same(found: HeadOutputs, expected: HeadOutputs) -> None:
    for one in fields(HeadOutputs):
        ours, theirs = getattr(found, one.name), getattr(expected, one.name)
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        assert ours.tobytes() == theirs.tobytes(), one.name


@pytest.mark.parametrize("backbone", SMALL)
def test_the_second_time_the_same_bits_are_read(backbone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = an_encoder(backbone=backbone)
    expected = embed_history(encoder.encoder, encoder.heads, FEATURES)
    assert np.isnan(expected.embedding[0]).all()
    assert np.isfinite(expected.embedding[TINY.window :]).all()
    assert_same(cached(tmp_path, encoder), expected)
    monkeypatch.setattr(module, "embed_history", only_widths)
    found = cached(tmp_path, encoder)
    assert_same(found, expected)
    assert isinstance(found.embedding.base, np.ndarray)


def test_a_name_stands_for_data_settings_and_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(**changes: Any) -> int:
        cached(tmp_path, **changes)
        return len(entries(tmp_path))

    assert kept() == 1
    assert kept(encoder=an_encoder()) == 1, "the same weights in another object"
    changed = FEATURES.copy()
    changed[-1, -1] = np.nextafter(changed[-1, -1], np.float32(0.0))
    assert kept(features=changed) == 2
    assert kept(features=np.concatenate([FEATURES, FEATURES[-1:]])) == 3
    assert kept(asset_class=len(ASSET_CLASSES) - 1) == 4
    other = an_encoder()
    with torch.no_grad():
        weight = next(iter(other.heads.parameters()))
        weight[0] = torch.nextafter(weight[0], torch.tensor(9.0))
    assert kept(encoder=other) == 5
    assert kept(encoder=replace(ENCODER, config=TINY.model_copy(update={"horizons": (1, 3, 24)}))) == 6
    with torch_threads(2):
        assert kept() == 7, "another number of threads adds up in another order"
    monkeypatch.setattr(module, "_program", lambda: "edited")
    assert kept() == 8


@pytest.mark.parametrize("damage", ["a bit", "the end"])
def test_a_damaged_entry_is_told_and_computed_again(damage: str, tmp_path: Path) -> None:
    expected = cached(tmp_path)
    (entry,) = entries(tmp_path)
    whole = entry.read_bytes()
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 1
    entry.write_bytes(bytes(flipped) if damage == "a bit" else whole[:-1])
    told = ["TEST: its embeddings in the cache were damaged; they were computed again"]
    assert_same(cached(tmp_path, told=told), expected)
    assert entry.read_bytes() == whole
    cached(tmp_path)


def test_the_least_recently_used_entries_make_room(tmp_path: Path) -> None:
    cached(tmp_path)
    (first,) = entries(tmp_path)
    os.utime(first, (1_000_000, 1_000_000))
    cached(tmp_path, asset_class=1, limit=first.stat().st_size + 1)
    (left,) = entries(tmp_path)
    assert left != first
    cached(tmp_path, limit=left.stat().st_size - 1)
    assert entries(tmp_path) == [left], "what has no room at all drives out nothing"


def test_short_histories_and_a_limit_of_zero_leave_no_trace(tmp_path: Path) -> None:
    cached(tmp_path / "new", features=FEATURES[:-1])
    cached(tmp_path / "new", limit=0)
    assert not (tmp_path / "new").exists()
    assert LEAST_BARS > 10_000, "below, computing is as good as reading"


def test_a_changed_value_reaches_neither_the_entry_nor_another_reader(tmp_path: Path) -> None:
    expected = cached(tmp_path)
    one, other = cached(tmp_path), cached(tmp_path)
    one.embedding[:] = 0.0
    assert_same(other, expected)
    assert_same(cached(tmp_path), expected)


PROGRAM = """
import sys
from pathlib import Path
from agv2.app import embedding_cache as module
from agv2.models.threads import torch_threads
from tests.test_app.test_embedding_cache import N_BARS, assert_same, cached, embed_history, ENCODER, FEATURES
module.LEAST_BARS = N_BARS
with torch_threads(1):
    expected = embed_history(ENCODER.encoder, ENCODER.heads, FEATURES)
    for _ in range(20):
        assert_same(cached(Path(sys.argv[1])), expected)
        for path in Path(sys.argv[1]).glob("*.embeddings"):
            path.unlink(missing_ok=True)
"""


def test_processes_that_write_and_remove_one_entry_at_once_all_get_the_same(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])}
    words = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    running = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=env) for _ in range(2)]
    for process in running:
        _, problem = process.communicate(timeout=200)
        assert process.returncode == 0, problem
    assert list(tmp_path.glob("*.unfinished")) == []
