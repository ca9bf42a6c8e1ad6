"""docs/risk.md: every setting with its value in every profile, every reason, and examples as the kernels have them."""

import re
from pathlib import Path

import pytest

from agv2.app.settings import load_settings
from agv2.decision.planner import PlanReason
from agv2.risk.config import RiskProfile
from agv2.risk.level_stop import NearLevels, stop_units_beyond_level
from agv2.risk.stop_logic import trailed_stop

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs/risk.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("| ")]


def numbers(name: str) -> list[float]:
    """The line of an example that begins with `name`; what has no number is left out."""
    line = next(line for line in TEXT.splitlines() if line.startswith(name))
    return [float(word) for word in line.removeprefix(name).replace(", units", "").split() if word != "none"]


def test_every_setting_has_a_row_with_its_value_in_each_profile() -> None:
    profiles = load_settings(None, ()).risk.profiles
    header = next(row for row in ROWS if row[0] == "setting")
    names = [cell.strip("`") for cell in header[1:4]]
    assert sorted(names) == sorted(profiles)
    shown = {row[0].strip("`"): row[1:4] for row in ROWS if row[0].strip("`") in RiskProfile.model_fields}
    assert sorted(shown) == sorted(RiskProfile.model_fields)
    for setting, values in shown.items():
        for name, value in zip(names, values, strict=True):
            assert float(value) == getattr(profiles[name], setting), (name, setting)


def test_every_reason_is_on_the_page_and_in_the_run_directory() -> None:
    run_directory = (ROOT / "docs/run_directory.md").read_text(encoding="utf-8")
    for reason in PlanReason:
        for page in (TEXT, run_directory):
            assert f"`{reason.name.lower()}`" in page, reason


def test_the_example_of_a_level_is_right() -> None:
    params = load_settings(None, ()).risk.profiles["conservative"].params(6_000.0)
    levels, stops = numbers("support below"), numbers("stop, units")
    assert len(levels) == len(stops) - 1 == 5
    assert stops[0] == 2.0
    for below, stop in zip(levels, stops[1:], strict=True):
        assert stop_units_beyond_level(1, 2.0, NearLevels(below, 9.0), params) == stop


def test_the_example_of_a_trail_is_right() -> None:
    closes, bands, stops = numbers("close "), numbers("band "), numbers("stop  ")
    assert len(closes) == len(bands) == len(stops) == 5
    current = 98.0
    for close, band, stop in zip(closes, bands, stops, strict=True):
        current = trailed_stop(1, current, close, 1.0 / close, 3.0, 0.0)
        assert band == close - 3.0
        assert current == pytest.approx(stop)


def test_the_numbers_of_the_tool_cover_what_it_measures() -> None:
    assert "python -m tools.prop_firm_rules" in TEXT
    assert len(re.findall(r"^\| (?:0|3|10|30) \| [13] × ", TEXT, re.MULTILINE)) == 8
