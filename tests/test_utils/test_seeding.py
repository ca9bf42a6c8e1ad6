import subprocess
import sys

import numpy as np
import pytest

from agv2.core.errors import InvariantError
from agv2.utils.seeding import spawn_generators, spawn_seed


def test_a_stream_depends_on_seed_and_name_alone() -> None:
    alone = spawn_generators(7, "costs")["costs"].random(5)
    among = spawn_generators(7, "start", "costs", "policy")["costs"].random(5)
    assert np.array_equal(alone, among)


@pytest.mark.parametrize(("seed", "name"), [(8, "costs"), (7, "cost")])
def test_another_seed_or_name_gives_another_stream(seed: int, name: str) -> None:
    assert spawn_generators(7, "costs")["costs"].random() != spawn_generators(seed, name)[name].random()


def test_streams_of_two_names_are_uncorrelated() -> None:
    generators = spawn_generators(7, "a", "b")
    correlation = np.corrcoef(generators["a"].normal(size=20_000), generators["b"].normal(size=20_000))[0, 1]
    assert abs(correlation) < 0.03


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(InvariantError, match="distinct"):
        spawn_generators(7, "a", "a")


def test_a_stream_is_the_same_in_another_process() -> None:
    code = "from agv2.utils.seeding import spawn_seed; print(spawn_seed(7, 'costs'))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == spawn_seed(7, "costs")


def test_spawned_seed_fits_a_signed_32_bit_integer() -> None:
    assert all(0 <= spawn_seed(seed, "sb3") < 2**31 for seed in range(200))
