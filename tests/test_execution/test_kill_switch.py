from pathlib import Path

import pytest

from agv2.execution.kill_switch import KillSwitch, all_switches
from agv2.utils.clock import ReplayClock

CLOCK = ReplayClock(5)


def test_it_is_armed_until_thrown_and_then_until_rearmed(tmp_path: Path) -> None:
    switch, other = (KillSwitch(tmp_path, str(tmp_path / "a.sqlite"), CLOCK) for _ in range(2))
    assert not switch.state().is_thrown
    other.throw("news", "anna")
    state = switch.state()
    assert (state.is_thrown, state.flattens, state.reason, state.by, state.changed_ns) == (
        True,
        False,
        "news",
        "anna",
        5,
    )
    switch.rearm("over", "ben")
    assert not other.state().is_thrown
    assert other.state().number == 2


def test_thrown_again_it_keeps_its_reason_unless_it_is_to_flatten_now(tmp_path: Path) -> None:
    switch = KillSwitch(tmp_path, "a.sqlite", CLOCK)
    switch.throw("news", "anna")
    assert switch.throw("other news", "ben").reason == "news"
    assert switch.throw("daily loss", "limits", flatten=True).flattens
    assert switch.throw("again", "ben").reason == "daily loss"


def test_a_file_that_cannot_be_read_counts_as_thrown(tmp_path: Path) -> None:
    switch = KillSwitch(tmp_path, "a.sqlite", CLOCK)
    switch.register()
    switch.path.write_text("{", encoding="utf-8")
    assert switch.state().is_thrown
    switch.rearm("looked at it", "anna")
    assert not switch.state().is_thrown


def test_registering_changes_nothing_that_is_there(tmp_path: Path) -> None:
    switch = KillSwitch(tmp_path, "a.sqlite", CLOCK)
    switch.throw("news", "anna")
    switch.register()
    assert switch.state().is_thrown


def test_all_are_found_and_each_journal_has_its_own(tmp_path: Path) -> None:
    for name in ("b/x.sqlite", "a/x.sqlite"):
        KillSwitch(tmp_path, name, CLOCK).register()
    found = all_switches(tmp_path, CLOCK)
    assert len(found) == 2
    found[0].throw("news", "anna")
    assert [each.state().is_thrown for each in all_switches(tmp_path, CLOCK)].count(True) == 1


@pytest.mark.parametrize("journal", ["postgresql://me:secret@host/db", "postgresql://me@host/db"])
def test_a_password_goes_nowhere_and_changes_no_name(tmp_path: Path, journal: str) -> None:
    switch = KillSwitch(tmp_path, journal, CLOCK)
    switch.register()
    assert "secret" not in switch.path.read_text(encoding="utf-8")
    assert switch.path == KillSwitch(tmp_path, "postgresql://host/db", CLOCK).path
