"""Small charts of lines: ticks that a person can read."""

import numpy as np

from agv2.backtest.report.curve_panels import DrawnLine, curve_panel


def test_fractions_are_read_as_per_cent() -> None:
    line = DrawnLine("s0", "challenger", np.array([0.0, 0.5, 1.0]), np.array([-0.05, 0.0, 0.05]))
    plain, shown = (curve_panel("Gain", [line], 1.0, fractions=fractions) for fractions in (False, True))
    assert plain is not None
    assert shown is not None
    assert [tick.value for tick in plain.ticks] == [tick.value for tick in shown.ticks]
    assert {tick.text for tick in plain.ticks} >= {"-0.05", "0", "0.05"}
    assert {tick.text for tick in shown.ticks} >= {"-5\u202f%", "0\u202f%", "5\u202f%"}
