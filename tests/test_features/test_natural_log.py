import hashlib
import math

import numpy as np
import pytest

from agv2.core.jit import PLAIN_KERNELS
from agv2.features.natural_log import natural_log
from tests.plain_kernels import printed

PRINT_DIGEST = "from tests.test_features.test_natural_log import digest; print(*digest())"


def numbers(n: int) -> np.ndarray:
    """Prices, ratios a hair from one, volatilities, and anything between the smallest and the largest."""
    rng = np.random.default_rng(0)
    near_one = 1.0 + rng.normal(size=n) * 10.0 ** rng.integers(-16, -1, n)
    return np.concatenate([near_one, np.exp(rng.normal(size=n) * 5.0), np.exp(rng.uniform(-708.0, 709.0, n))])


def test_it_is_within_one_unit_in_the_last_place_of_the_c_library() -> None:
    values = numbers(30_000)
    expected = np.array([math.log(value) for value in values])
    apart = np.abs(natural_log(values) - expected) / np.spacing(np.abs(expected))
    assert apart.max() <= 1.0
    assert (apart == 0.0).mean() > 0.9


def test_edges_of_the_range() -> None:
    smallest, largest = np.finfo(np.float64).tiny, np.finfo(np.float64).max
    found = natural_log(np.array([1.0, 2.0, 0.5, math.sqrt(2.0), math.sqrt(0.5), smallest, largest]))
    assert found[0] == 0.0
    expected = [math.log(each) for each in (2.0, 0.5, math.sqrt(2.0), math.sqrt(0.5), smallest, largest)]
    assert found[1:].tolist() == pytest.approx(expected, rel=2e-16)


def test_unknown_stays_unknown_and_no_values_give_none() -> None:
    found = natural_log(np.array([1.0, np.nan, np.inf, 3.0]))
    assert np.isnan(found).tolist() == [False, True, True, False]
    assert natural_log(np.empty(0)).size == 0


def test_what_has_no_logarithm_has_none_here() -> None:
    assert np.isnan(natural_log(np.array([0.0, -0.0, -1.0, -np.inf, np.inf, np.nan]))).all()


def test_a_value_has_the_same_bits_at_every_place() -> None:
    values = numbers(1_000)
    whole = natural_log(values)
    for start, stop in ((1, 3_000), (3, 4), (511, 1_700), (2_047, 2_050)):
        assert natural_log(values[start:stop]).tobytes() == whole[start:stop].tobytes()
    apart = values[::3].copy()
    assert natural_log(values[::3]).tobytes() == natural_log(apart).tobytes()


def digest() -> tuple[bool, str]:
    return PLAIN_KERNELS, hashlib.sha256(natural_log(numbers(1_000)).tobytes()).hexdigest()


def test_compiled_logs_equal_plain_ones_bit_for_bit() -> None:
    plain, compiled = (text.split() for text in printed(PRINT_DIGEST))
    assert (plain[0], compiled[0]) == ("True", "False")
    assert plain[1] == compiled[1]
