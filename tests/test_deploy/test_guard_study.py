"""A slice of the study that docs/guards.md shows, and that page's agreement with what was measured."""

import json
from pathlib import Path

import pytest

from tools.guard_study import STUDY, study, table
from tools.guard_trials import TRIALS

PAGE = Path(__file__).resolve().parents[2] / "docs/guards.md"


SLOW = {
    "half a nat less sure",
    "a leak of half a deviation a day",
    "the edge turned round",
    "three times the volatility",
}


@pytest.mark.parametrize("name", ["entropy", "pnl", "daily loss, drawdown", "heartbeat", "frozen feed"])
def test_a_slice_of_the_study_notices_every_abrupt_cause_and_is_quiet_otherwise(name: str) -> None:
    found = study(0.04, 11, lambda _: None, (name,))["guards"][name]
    assert found["quiet_days"] >= 250
    asked_for = found["quiet_days"] / (found["designed_days"] or 250.0)
    assert found["false_alarms"] <= asked_for + 4.0 * asked_for**0.5 + 3.0
    for cause, delay in found["causes"].items():
        if cause not in SLOW:
            assert delay["noticed"] == delay["injected"] > 0, cause


def test_the_page_shows_what_was_measured_of_every_guard() -> None:
    known = json.loads(STUDY.read_text(encoding="utf-8"))
    assert list(known["guards"]) == list(TRIALS)
    assert known["scale"] == 1.0
    shown = PAGE.read_text(encoding="utf-8").partition("<!-- table -->")[2].partition("<!-- end -->")[0]
    assert shown.strip() == table(known)
