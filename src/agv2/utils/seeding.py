"""Chance as an argument: independent generators, each belonging to a name."""

import hashlib

import numpy as np

from agv2.core.errors import InvariantError

__all__ = ["spawn_generators", "spawn_seed"]


def spawn_generators(seed: int, *names: str) -> dict[str, np.random.Generator]:
    """Independent generators by name.

    A name's stream depends on `seed` and the name alone: asking for more names, or in another order, changes none.

    >>> alone, together = spawn_generators(7, "costs"), spawn_generators(7, "start", "costs")
    >>> alone["costs"].random() == together["costs"].random()
    True

    Raises:
        InvariantError: a name is given twice.
    """
    if len(set(names)) != len(names):
        raise InvariantError(f"generators need distinct names, found {', '.join(names)}")
    return {name: np.random.default_rng(_sequence(seed, name)) for name in names}


def spawn_seed(seed: int, name: str) -> int:
    """Seed below 2**31 for a library that takes a number instead of a generator."""
    return int(_sequence(seed, name).generate_state(1)[0] >> 1)


def _sequence(seed: int, name: str) -> np.random.SeedSequence:
    # `hash()` is salted per process; a digest is the same everywhere.
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.SeedSequence([seed, int.from_bytes(digest[:8], "little")])
