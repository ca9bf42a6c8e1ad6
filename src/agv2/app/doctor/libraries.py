"""Whether the heavy libraries work here, each tried in a process of its own: a crash there is a finding, not an end."""

import os
import subprocess
import sys
import tempfile

from agv2.app.doctor.finding import Finding, Status

__all__ = ["LIBRARY_LIMIT_S", "check_numba", "check_onnxruntime", "check_torch"]

LIBRARY_LIMIT_S = 90.0
"""A first import from a cold disk takes long, and is none the worse for it."""

_AGAIN = "`python bootstrap.py install` installs the pinned versions again"

_TORCH = """
import torch
assert float((torch.ones(8, 8) @ torch.ones(8, 8)).sum()) == 512.0
n = torch.get_num_threads()
print(f"{torch.__version__} multiplies, {n} thread{'s' if n > 1 else ''}")
"""
_NUMBA = """
import numba
from agv2.core.barriers import first_touch
first_touch(1, 1.0, 3.0, 2.0, 1.5, 0.0)
print(f"{numba.__version__} compiles {len(first_touch.signatures)} kernel")
"""
_ONNXRUNTIME = """
import onnx, onnxruntime
from onnx import TensorProto, helper
value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "probe", value[:1], value[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
import numpy
assert session.run(None, {"x": numpy.ones(1, numpy.float32)})[0][0] == -1.0
print(f"{onnxruntime.__version__} runs a model")
"""


def check_torch() -> Finding:
    """Whether torch loads and multiplies, and on how many threads."""
    return _tried(_TORCH)


def check_numba() -> Finding:
    """Whether one of our kernels compiles, in a cache of its own that is deleted afterwards."""
    if os.environ.get("AGV2_PLAIN_KERNELS") == "1":
        remedy = "unset AGV2_PLAIN_KERNELS: without compiled kernels a run takes a hundred times as long"
        return Finding(Status.WARNING, "kernels are not compiled, as AGV2_PLAIN_KERNELS=1 asks", remedy)
    with tempfile.TemporaryDirectory(prefix="agv2-doctor-") as cache:
        return _tried(_NUMBA, AGV2_KERNEL_CACHE=cache)


def check_onnxruntime() -> Finding:
    """Whether ONNX Runtime loads and evaluates a model."""
    return _tried(_ONNXRUNTIME)


def _tried(code: str, **environment: str) -> Finding:
    words = [sys.executable, "-c", code]
    try:
        result = subprocess.run(
            words,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIBRARY_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding(Status.FAILED, f"not loaded within {LIBRARY_LIMIT_S:g} s", f"try again when idle; {_AGAIN}")
    if result.returncode == 0:
        return Finding(Status.OK, result.stdout.strip())
    if result.returncode < 0:
        crash = f"crashed with signal {-result.returncode}"
        return Finding(Status.FAILED, crash, f"this build does not suit the processor, or memory ran out; {_AGAIN}")
    lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
    return Finding(Status.FAILED, lines[-1][:300] if lines else f"exit code {result.returncode}", _AGAIN)
