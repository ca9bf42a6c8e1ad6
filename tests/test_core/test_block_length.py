import numpy as np
import pytest

from agv2.core.arrays import FloatArray
from agv2.core.block_length import optimal_block_length


def autoregression(persistence: float, n: int, seed: int) -> FloatArray:
    noise = np.random.default_rng(seed).standard_normal(n)
    for i in range(1, n):
        noise[i] += persistence * noise[i - 1]
    return noise


def test_block_length_of_an_autoregression_is_near_its_theory() -> None:
    persistence, n = 0.5, 20_000
    slope = 2 * persistence / (1 - persistence) ** 2 / (1 - persistence**2)  # sum of |k| covariance(k)
    long_run = 1 / (1 - persistence) ** 2
    theory = (n * slope**2 / long_run**2) ** (1 / 3)
    found = [optimal_block_length(autoregression(persistence, n, seed)) for seed in range(8)]
    assert float(np.median(found)) == pytest.approx(theory, rel=0.25)


def test_block_length_is_near_that_of_arch() -> None:
    arch = pytest.importorskip("arch.bootstrap")
    for persistence in (0.0, 0.3, 0.7, 0.9):
        series = autoregression(persistence, 3000, 3)
        theirs = max(1.0, float(arch.optimal_block_length(series)["stationary"].iloc[0]))
        assert optimal_block_length(series) == pytest.approx(theirs, rel=0.3)


@pytest.mark.parametrize("values", [np.zeros(100), np.ones(100), np.array([1.0, 2.0, 3.0])])
def test_block_length_of_a_constant_or_short_series_is_one(values: FloatArray) -> None:
    assert optimal_block_length(values) == 1.0
