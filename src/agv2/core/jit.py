"""The one door to the compiler.

Compiled kernels are cached on disk in a directory named by the sources of all kernel packages, the compiler's
version and the processor: numba's own cache looks only at the file that holds a function, so an edit of a
function that it calls would go unnoticed.
"""

import functools
import hashlib
import os
import pathlib
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba  # noqa: TID251 - the one door

__all__ = ["PLAIN_KERNELS", "kernel", "kernel_digest"]

F = TypeVar("F", bound=Callable[..., Any])

PLAIN_KERNELS: bool = os.environ.get("AGV2_PLAIN_KERNELS", "") == "1"
"""Kernels run as the plain Python they are written in; tests use it to compare the two."""

_KERNEL_PACKAGES = ("core", "data", "features", "risk", "sim", "decision", "backtest", "rl")


@functools.cache
def kernel_digest() -> str:
    """SHA-256 of what decides the bits that kernels compute: their sources, the compiler's version, the processor."""
    processor = numba.core.registry.cpu_target.target_context.codegen().magic_tuple()  # what machine code is made for
    digest = hashlib.sha256(f"{numba.__version__} {processor}".encode())
    package_root = pathlib.Path(__file__).resolve().parents[1]
    for package in _KERNEL_PACKAGES:
        for source in sorted((package_root / package).rglob("*.py")):
            digest.update(source.relative_to(package_root).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


@functools.cache
def _use_own_cache() -> None:
    """Point the compiler's cache at a directory that only these sources share."""
    base = os.environ.get("AGV2_KERNEL_CACHE") or pathlib.Path.home() / ".cache" / "agv2" / "kernels"
    cache_dir = pathlib.Path(base) / kernel_digest()[:16]
    numba.config.CACHE_DIR = str(cache_dir)  # type: ignore[attr-defined]  # numba fills its config at run time


def kernel(function: F) -> F:
    """Compile `function` with exact floats and Python's error model, cached on disk.

    Nothing here may reorder floating-point operations, so the compiled result equals the plain one bit for bit.
    """
    if PLAIN_KERNELS:
        return function
    _use_own_cache()
    # Kernels hand each other named tuples of a dozen numbers; inlined, those stay in registers: a simulated step takes
    # half the time. To callers a dispatcher is the function it compiles.
    compiled = numba.njit(cache=True, fastmath=False, error_model="python", forceinline=True)(function)
    return cast(F, compiled)
