"""Which protective price comes first."""

import pytest

from agv2.core.barriers import STOP, TARGET, UNTOUCHED, first_touch


@pytest.mark.parametrize(
    ("side", "stop", "target", "high", "low", "expected"),
    [
        (1, 99.0, 103.0, 102.0, 99.5, UNTOUCHED),
        (1, 99.0, 103.0, 102.0, 99.0, STOP),
        (1, 99.0, 103.0, 104.0, 99.5, TARGET),
        (1, 99.0, 103.0, 104.0, 98.0, STOP),  # both: the stop came first
        (-1, 101.0, 97.0, 100.5, 98.0, UNTOUCHED),
        (-1, 101.0, 97.0, 101.0, 98.0, STOP),
        (-1, 101.0, 97.0, 100.5, 96.0, TARGET),
        (-1, 101.0, 97.0, 102.0, 96.0, STOP),
        (1, 0.0, 0.0, 1e9, 1e-9, UNTOUCHED),
        (-1, 0.0, 0.0, 1e9, 1e-9, UNTOUCHED),
    ],
)
def test_the_first_barrier_a_bar_touches(
    side: int, stop: float, target: float, high: float, low: float, expected: int
) -> None:
    assert first_touch(side, stop, target, high, low, 0.0) == expected


def test_a_target_waits_for_the_quote_on_the_other_side_of_the_spread() -> None:
    assert first_touch(1, 0.0, 103.0, 103.0, 100.0, 0.001) == UNTOUCHED
    assert first_touch(1, 0.0, 103.0, 103.0 / 0.999, 100.0, 0.001) == TARGET
    assert first_touch(-1, 0.0, 97.0, 100.0, 97.0, 0.001) == UNTOUCHED
    assert first_touch(-1, 0.0, 97.0, 100.0, 97.0 / 1.001 * 0.9999999, 0.001) == TARGET
