import math
from typing import Any

import pytest

from agv2.app.settings import load_settings
from agv2.core.errors import ConfigError
from agv2.risk.config import RiskProfile
from agv2.utils.config import parse_override


def shipped(name: str) -> RiskProfile:
    return load_settings(None, [parse_override(f"risk.profile={name}")]).risk.active


def test_policies_are_trained_at_full_size_whatever_the_profile() -> None:
    for name in ("default", "conservative", "prop-firm"):
        params = shipped(name).params(6_000.0)
        assert (params.kelly_volatility, params.evidence_scale) == (math.inf, 1.0)


def test_what_default_leaves_off() -> None:
    """A change here changes every result."""
    off = shipped("default")
    assert (off.level_stop_max_units, off.trailing_units, off.kelly_fraction) == (0.0, 0.0, 0.0)
    assert (off.min_hold_bars, off.cooldown_bars) == (0, 0)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("kelly_fraction", 0.05, r"kelly_fraction 0\.05 must be 0 \(off\) or 0\.1 to 0\.3"),
        ("kelly_fraction", 0.5, "kelly_fraction"),
        ("level_stop_max_units", 0.5, "no level would move a stop; raise the first, or set it to 0"),
        ("trailing_units", -1.0, "trailing_units"),
    ],
)
def test_settings_that_mean_nothing_are_refused(setting: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load_settings(None, [parse_override(f"risk.profiles.default.{setting}={value}")])
    assert "risk" in str(caught.value)
