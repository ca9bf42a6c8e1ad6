"""Whether AGV2 may write where it keeps things; nothing is left behind."""

import os
import tempfile
from pathlib import Path

from agv2.app.doctor.finding import Finding, Status

__all__ = ["check_writable", "kernel_cache_folder", "nearest_folder"]


def kernel_cache_folder() -> Path:
    """Where compiled kernels are kept, as `core.jit` has it, without loading the compiler."""
    return Path(os.environ.get("AGV2_KERNEL_CACHE") or Path.home() / ".cache" / "agv2" / "kernels")


def nearest_folder(path: Path) -> Path:
    """`path`, or the nearest of its parents that exists."""
    path = path.absolute()
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def check_writable(folder: Path, key: str) -> Finding:
    """Whether files can be made in `folder`, or it can be made itself.

    Args:
        folder: need not exist.
        key: of the environment, that names another.
    """
    there = nearest_folder(folder)
    remedy = f"make it yours to write, or set {key} to a folder that is"
    if not there.is_dir():
        return Finding(Status.FAILED, f"{there} is no folder", f"move it away, or set {key} to a folder")
    try:
        # A real file: a permission bit says nothing of a disk that is read-only, full or over quota.
        with tempfile.NamedTemporaryFile(dir=there, prefix=".agv2-doctor-") as probe:
            probe.write(b"x" * 4096)
            probe.flush()
    except OSError as error:
        return Finding(Status.FAILED, f"{there}: {error.strerror or error}", remedy)
    made = "" if there == folder.absolute() else " (not made yet)"
    return Finding(Status.OK, f"{folder}{made}")
