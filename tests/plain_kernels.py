"""What a statement prints with kernels as plain Python, and with the same kernels compiled."""

import os
import subprocess
import sys
from typing import NamedTuple

__all__ = ["Printed", "printed"]


class Printed(NamedTuple):
    """Standard output of two processes."""

    plain: str
    compiled: str


def printed(statement: str) -> Printed:
    """Run `statement` in a process of each kind; what a process was compiled as is decided when it starts."""
    return Printed(*(_run(statement, plain) for plain in ("1", "0")))


def _run(statement: str, plain: str) -> str:
    environment = os.environ | {"AGV2_PLAIN_KERNELS": plain}
    command = [sys.executable, "-c", statement]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
