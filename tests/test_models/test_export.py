import json
import zipfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from agv2.core.errors import BundleError
from agv2.models.bundle import ModelBundle
from agv2.models.export import EncoderProgram, PolicyProgram, export_programs, load_program
from agv2.models.masked_model import MaskedModel
from agv2.models.onnx_runner import OnnxRunner
from agv2.models.pretraining import PretrainedEncoder
from agv2.models.served_odds import Runner
from tests.test_models.conftest import N_OBSERVATIONS, SavedBundle
from tests.test_models.markets import N_FEATURES, SMALL, TINY

TOLERANCE = 1e-4
Outputs = list["np.typing.NDArray[np.float32]"]


def _torch_script(path: Path) -> Callable[..., tuple[Tensor, ...]]:
    # Upstream deprecates it, and we keep it for those who ask.
    with pytest.warns(DeprecationWarning, match=r"torch\.jit\.load"):
        program = torch.jit.load(str(path))  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return lambda *inputs: program(*inputs)


def _served(runner: Runner, program: str, inputs: tuple[Tensor, ...]) -> Outputs:
    if program == "policy":
        return list(runner.evaluate(inputs[0].numpy()))
    outputs = runner.encode(inputs[0].numpy(), int(inputs[1][0]))
    return [getattr(outputs, one.name) for one in fields(outputs)]


def _eager(saved: SavedBundle, program: str, inputs: tuple[Tensor, ...]) -> Outputs:
    module = EncoderProgram(saved.pretrained) if program == "encoder" else PolicyProgram(saved.policy)
    with torch.inference_mode():
        return [output.numpy() for output in module.eval()(*inputs)]


def _inputs(program: str, batch: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(batch)
    if program == "policy":
        return (torch.randn((batch, N_OBSERVATIONS), generator=generator),)
    return torch.randn((batch, TINY.window, N_FEATURES), generator=generator), torch.full((batch,), 2)


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("program", ["encoder", "policy"])
def test_all_formats_agree_with_eager(saved: SavedBundle, program: str, batch: int) -> None:
    inputs = _inputs(program, batch)
    expected = _eager(saved, program, inputs)
    with torch.inference_mode():
        exported = [x.numpy() for x in load_program(saved.directory / f"{program}.pt2")(*inputs)]
        script = [x.numpy() for x in _torch_script(saved.directory / f"{program}.ts")(*inputs)]
    for outputs in (exported, script, _served(ModelBundle.load(saved.directory).runner(), program, inputs)):
        assert len(outputs) == len(expected)
        for ours, theirs in zip(outputs, expected, strict=True):
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)
    assert np.ptp(expected[0], axis=-1).min() > 0.1  # agreeing on a constant would prove nothing


@pytest.mark.parametrize(  # the tcn is the bundle's own
    "backbone", ["transformer", pytest.param("lstm", marks=pytest.mark.slow)]
)
def test_every_backbone_leaves_in_all_formats_with_a_free_batch(
    saved: SavedBundle, backbone: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = MaskedModel(N_FEATURES, SMALL[backbone]).eval()
    with torch.no_grad():  # untrained heads are constants
        for weight in (*model.heads.parameters(), model.encoder.asset_classes):
            weight.normal_(0.0, 0.5)
    pretrained = PretrainedEncoder(SMALL[backbone], model)
    export_programs(pretrained, saved.policy, tmp_path)
    served = OnnxRunner(*((tmp_path / f"{program}.onnx").read_bytes() for program in ("encoder", "policy")))
    exported, script = load_program(tmp_path / "encoder.pt2"), _torch_script(tmp_path / "encoder.ts")
    for batch in (1, 7):
        inputs = _inputs("encoder", batch)
        onnx = _served(served, "encoder", inputs)
        with torch.inference_mode():
            expected = EncoderProgram(pretrained).eval()(*inputs)
            for outputs in (exported(*inputs), script(*inputs), [torch.from_numpy(x) for x in onnx]):
                for ours, theirs in zip(outputs, expected, strict=True):
                    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=0.0)
        assert (expected[0].amax(-1) - expected[0].amin(-1)).min() > 0.1  # agreeing on a constant would prove nothing


def test_actions_agree_wherever_the_margin_is_clear(saved: SavedBundle) -> None:
    inputs = _inputs("policy", 500)
    runner = ModelBundle.load(saved.directory).runner()
    eager, served = _eager(saved, "policy", inputs)[0], _served(runner, "policy", inputs)[0]
    clear_ones = 0
    for block in (slice(0, 3), slice(3, 7), slice(7, 11), slice(11, 15)):
        best = np.sort(eager[:, block], axis=1)
        clear = best[:, -1] - best[:, -2] > 10 * TOLERANCE
        clear_ones += int(clear.sum())
        np.testing.assert_array_equal(eager[clear, block].argmax(axis=1), served[clear, block].argmax(axis=1))
    assert clear_ones > 1900


@pytest.mark.parametrize("kind", ["weights", "constants"])
def test_a_program_with_a_pickle_is_refused_before_it_is_loaded(saved: SavedBundle, tmp_path: Path, kind: str) -> None:
    altered = tmp_path / "policy.pt2"
    with zipfile.ZipFile(saved.directory / "policy.pt2") as source, zipfile.ZipFile(altered, "w") as target:
        for item in source.infolist():
            content = source.read(item)
            if item.filename.endswith(f"_{kind}_config.json"):
                entry = {"path_name": "evil", "is_param": False, "use_pickle": True, "tensor_meta": None}
                content = json.dumps({"config": {"evil": entry}}).encode()
            target.writestr(item, content)
    with pytest.raises(BundleError, match="holds evil as a pickle"):
        load_program(altered)


def test_a_file_that_is_no_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "encoder.pt2").write_bytes(b"nothing of the kind")
    with pytest.raises(BundleError, match=r"encoder\.pt2 cannot be read"):
        load_program(tmp_path / "encoder.pt2")
