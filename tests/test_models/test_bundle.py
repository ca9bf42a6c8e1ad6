import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from agv2.core.errors import BundleError
from agv2.models.bundle import ModelBundle
from agv2.models.bundle_manifest import manifest_bytes
from agv2.models.normalizer import Normalizer
from agv2.models.policy import PolicyNetwork
from tests.test_models.conftest import ACTION_NVEC, SavedBundle
from tests.test_models.markets import N_FEATURES

FILES = [
    "encoder.npz", "policy.npz", "normalizer.npz", "reference.npz",
    "encoder.pt2", "policy.pt2", "encoder.onnx", "policy.onnx", "encoder.ts", "policy.ts",
]  # fmt: skip


@pytest.fixture
def copied(saved: SavedBundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved.directory, tmp_path / "bundle"))


def test_a_bundle_gives_back_what_was_saved(saved: SavedBundle) -> None:
    bundle = ModelBundle.load(saved.directory)
    assert replace(bundle.manifest, encoder={}) == saved.manifest
    values = np.random.default_rng(1).standard_normal((5, N_FEATURES))
    np.testing.assert_array_equal(bundle.normalizer.transform(values), saved.normalizer.transform(values))
    for ours, theirs in (
        (saved.pretrained.model, bundle.pretrained().model),
        (saved.policy, bundle.policy()),
    ):
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        for name, weight in ours.state_dict().items():
            assert torch.equal(weight, theirs.state_dict()[name])
    assert bundle.pretrained().config == saved.pretrained.config


def test_it_holds_its_files_and_no_others(saved: SavedBundle) -> None:
    assert sorted(path.name for path in saved.directory.iterdir()) == sorted([*FILES, "manifest.json"])


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_one_changed_byte_is_refused_by_name(copied: Path, name: str) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(BundleError, match=name):
        ModelBundle.load(copied)


@pytest.mark.parametrize("name", ["encoder.npz", "policy.ts", "manifest.json"])
def test_a_missing_file_is_refused_by_name(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(BundleError, match=name):
        ModelBundle.load(copied)


def test_an_extra_file_is_refused_by_name(copied: Path) -> None:
    (copied / "notes.txt").write_text("hello")
    with pytest.raises(BundleError, match=r"notes\.txt: does not belong"):
        ModelBundle.load(copied)


def test_a_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle here"):
        ModelBundle.load(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="RUN/bundle"):  # the run's directory, in place of its bundle
        ModelBundle.load(tmp_path)


def test_another_schema_is_refused(copied: Path) -> None:
    content = json.loads((copied / "manifest.json").read_text())
    content["schema"] = 99
    (copied / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"manifest\.json: schema 99"):
        ModelBundle.load(copied)


def test_an_edited_manifest_is_refused_even_where_only_space_changed(copied: Path) -> None:
    path = copied / "manifest.json"
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(BundleError, match=r"manifest\.json: was altered"):
        ModelBundle.load(copied)


def test_a_self_consistent_manifest_cannot_leave_a_file_out(copied: Path) -> None:
    bundle = ModelBundle.load(copied)
    content = json.loads((copied / "manifest.json").read_text())
    del content["files"]["policy.ts"]
    (copied / "policy.ts").unlink()
    (copied / "manifest.json").write_bytes(manifest_bytes(bundle.manifest, content["files"]))
    with pytest.raises(BundleError, match=r"policy\.ts: is not in the manifest"):
        ModelBundle.load(copied)


def test_a_file_changed_after_loading_is_not_served(copied: Path) -> None:
    bundle = ModelBundle.load(copied)
    (copied / "policy.onnx").write_bytes(b"another model")
    with pytest.raises(BundleError, match=r"policy\.onnx: differs"):
        bundle.runner()


def test_a_bundle_is_never_written_over(saved: SavedBundle) -> None:
    with pytest.raises(BundleError, match="never written over"):
        ModelBundle.save(saved.directory, saved.manifest, saved.normalizer, saved.pretrained, saved.policy)


def test_parts_that_do_not_fit_leave_nothing_behind(saved: SavedBundle, tmp_path: Path) -> None:
    other = Normalizer.fit(np.random.default_rng(0).standard_normal((50, N_FEATURES + 1)))
    with pytest.raises(BundleError, match="disagree on the number of features: 4, 5, 4"):
        ModelBundle.save(tmp_path / "bundle", saved.manifest, other, saved.pretrained, saved.policy)
    assert list(tmp_path.iterdir()) == []


def test_a_save_that_fails_half_way_leaves_nothing_behind(saved: SavedBundle, tmp_path: Path) -> None:
    no_policy = cast(PolicyNetwork, torch.nn.Identity())  # noticed only once the weights are written
    with pytest.raises(AttributeError, match="n_observations"):
        ModelBundle.save(tmp_path / "bundle", saved.manifest, saved.normalizer, saved.pretrained, no_policy)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["features", "observation layout", "actions"])
def test_it_refuses_a_program_made_for_something_else(saved: SavedBundle, what: str) -> None:
    bundle = ModelBundle.load(saved.directory)
    features = saved.manifest.features
    bundle.require_matches(features, {"embedding": (0, 16), "book": (16, 40)}, ACTION_NVEC)
    with pytest.raises(BundleError, match=f"other {what}"):
        bundle.require_matches(
            features[::-1] if what == "features" else features,
            {"embedding": (0, 17)} if what == "observation layout" else saved.manifest.layout,
            (3, 4, 4, 5) if what == "actions" else ACTION_NVEC,
        )


def test_serving_a_bundle_imports_no_torch(saved: SavedBundle) -> None:
    script = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from agv2.models.bundle import ModelBundle\n"
        f"runner = ModelBundle.load(Path({str(saved.directory)!r})).runner()\n"
        "runner.encode(np.zeros((1, 32, 4), np.float32), 0); runner.evaluate(np.zeros((1, 40), np.float32))\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
