"""Features from compiled kernels and from the same kernels as plain Python."""

import hashlib

from agv2.core.jit import PLAIN_KERNELS
from agv2.features.pipeline import compute_features
from tests.markets import UTC_DAYS, gappy_bars
from tests.plain_kernels import printed

N_BARS = 1600
PRINT_DIGEST = f"from tests.parity.test_plain_features import digest; print(digest({N_BARS}))"


def digest(n_bars: int) -> str:
    matrix = compute_features(gappy_bars(n_bars), UTC_DAYS)
    assert matrix.warmup < n_bars - 100
    return f"{PLAIN_KERNELS} {hashlib.sha256(matrix.values.tobytes() + matrix.sigma.tobytes()).hexdigest()}"


def test_compiled_features_equal_plain_ones_bit_for_bit() -> None:
    plain, compiled = (text.split() for text in printed(PRINT_DIGEST))
    assert (plain[0], compiled[0]) == ("True", "False")
    assert plain[1] == compiled[1]
