import math

import pytest

from agv2.risk.level_stop import NearLevels, stop_units_beyond_level
from tests.tapes import limits

PARAMS = limits(level_stop_margin_units=0.5, level_stop_max_units=3.5)


@pytest.mark.parametrize(
    ("side", "chosen", "below", "above", "units"),
    [
        (1, 2.0, 2.0, 9.0, 2.5),  # support at the chosen stop: half a unit beyond it
        (1, 2.0, 1.75, 9.0, 2.25),
        (1, 2.0, 1.5, 9.0, 2.0),  # already beyond by the margin
        (1, 2.0, 0.25, 9.0, 2.0),
        (1, 2.0, 3.0, 9.0, 3.5),  # as far as allowed
        (1, 2.0, 3.25, 9.0, 2.0),  # the limit would be in front of the level: no half measures
        (1, 2.0, math.nan, 2.5, 2.0),  # resistance says nothing to a long
        (-1, 2.0, math.nan, 2.5, 3.0),
        (-1, 1.0, 2.0, 0.75, 1.25),
        (-1, 2.0, 2.5, math.nan, 2.0),
    ],
)
def test_table_of_stops(side: int, chosen: float, below: float, above: float, units: float) -> None:
    assert stop_units_beyond_level(side, chosen, NearLevels(below, above), PARAMS) == units


def test_off_is_off() -> None:
    assert stop_units_beyond_level(1, 1.0, NearLevels(1.0, 1.0), limits(level_stop_max_units=0.0)) == 1.0
