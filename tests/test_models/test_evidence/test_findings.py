import math

import pytest

from agv2.models.block_bootstrap_scores import LossDifference
from agv2.models.evidence.findings import finding_of


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (-0.2, -0.1, "better"),
        (0.1, 0.2, "worse"),
        (-0.1, 0.1, "draw"),
        (-0.1, 0.0, "draw"),
        (0.0, 0.1, "draw"),
        (math.nan, math.nan, "draw"),
    ],
)
def test_only_an_interval_clear_of_zero_finds_a_difference(low: float, high: float, word: str) -> None:
    assert finding_of(LossDifference((low + high) / 2.0, low, high, 100, 5), 1.0) == word


def test_rounding_is_no_difference_however_regular() -> None:
    assert finding_of(LossDifference(-3e-7, -4e-7, -2e-7, 100, 5), 0.25) == "draw"
    assert finding_of(LossDifference(3e-7, 2e-7, 4e-7, 100, 5), 0.25) == "draw"
    assert finding_of(LossDifference(-3e-7, -4e-7, -2e-7, 100, 5), 0.001) == "better"
