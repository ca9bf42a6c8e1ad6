import numpy as np

from agv2.core.arrays import Float32Array
from agv2.decision.decider import PolicyOutput
from agv2.decision.observation import BOOK_FIELDS
from agv2.decision.restrained_policy import HeldBack, restrained

FLAT, LONG, SHORT = 0, 1, 2


class Wishes:
    """Wishes flat, long and short, for three books."""

    def act(self, observations: Float32Array) -> PolicyOutput:
        actions = np.array([[FLAT, 1, 2, 3], [LONG, 1, 2, 3], [SHORT, 1, 2, 3]])
        return PolicyOutput(actions, np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 3.0]))


def held(side: float) -> Float32Array:
    observations = np.zeros((3, 4 + len(BOOK_FIELDS)), dtype=np.float32)
    observations[:, 4 + BOOK_FIELDS.index("side")] = side
    return observations


def positions(held_back: HeldBack, side: float) -> list[int]:
    return [int(each) for each in restrained(Wishes(), held_back).act(held(side)).actions[:, 0]]


def test_not_held_back_the_wishes_stand() -> None:
    assert positions(HeldBack.NOT, 0.0) == [FLAT, LONG, SHORT]


def test_reducing_keeps_what_is_held_and_leaves_it_otherwise() -> None:
    assert positions(HeldBack.REDUCING, 1.0) == [FLAT, LONG, FLAT]
    assert positions(HeldBack.REDUCING, -1.0) == [FLAT, FLAT, SHORT]
    assert positions(HeldBack.REDUCING, 0.0) == [FLAT, FLAT, FLAT]


def test_flat_is_flat_whatever_is_held() -> None:
    assert positions(HeldBack.FLAT, 1.0) == [FLAT, FLAT, FLAT]


def test_what_the_policy_thinks_is_told_all_the_same() -> None:
    said = restrained(Wishes(), HeldBack.FLAT).act(held(1.0))
    assert said.entropy.tolist() == [0.1, 0.2, 0.3]
    assert said.values.tolist() == [1.0, 2.0, 3.0]
    assert said.actions[1].tolist() == [FLAT, 1, 2, 3]
