"""Features from compiled kernels and from the same kernels as plain Python."""

import hashlib
import os
import subprocess
import sys

from agv2.core.jit import PLAIN_KERNELS
from agv2.features.pipeline import compute_features
from tests.markets import UTC_DAYS, gappy_bars

N_BARS = 1600
PRINT_DIGEST = f"from tests.parity.test_plain_features import digest; print(digest({N_BARS}))"


def digest(n_bars: int) -> str:
    matrix = compute_features(gappy_bars(n_bars), UTC_DAYS)
    assert matrix.warmup < n_bars - 100
    return f"{PLAIN_KERNELS} {hashlib.sha256(matrix.values.tobytes() + matrix.sigma.tobytes()).hexdigest()}"


def test_compiled_features_equal_plain_ones_bit_for_bit() -> None:
    def run(plain: str) -> tuple[str, str]:
        environment = os.environ | {"AGV2_PLAIN_KERNELS": plain}
        done = subprocess.run(
            [sys.executable, "-c", PRINT_DIGEST], env=environment, capture_output=True, text=True, check=True
        )
        is_plain, _, found = done.stdout.strip().partition(" ")
        return is_plain, found

    plain, compiled = run("1"), run("0")
    assert (plain[0], compiled[0]) == ("True", "False")
    assert plain[1] == compiled[1]
