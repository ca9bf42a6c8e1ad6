from pathlib import Path

from agv2.execution.halts import HaltChange, Halts
from agv2.execution.kill_switch import KillSwitch
from agv2.utils.clock import ReplayClock


class Written:
    """A desk that only writes down what it is told."""

    halted_because: str | None = None

    def __init__(self) -> None:
        self.words: list[str] = []

    async def kill(self, reason: str, by: str) -> None:
        self.halted_because = reason
        self.words.append(f"kill {reason} {by}")

    async def rearm(self, reason: str, by: str) -> None:
        self.halted_because = None
        self.words.append(f"rearm {reason} {by}")


def parts(folder: Path, now_ns: int = 10) -> tuple[KillSwitch, Written]:
    return KillSwitch(folder, "a.sqlite", ReplayClock(now_ns)), Written()


async def test_changes_are_told_once_and_written_down(tmp_path: Path) -> None:
    switch, desk = parts(tmp_path)
    halts = Halts(switch, desk, None)  # type: ignore[arg-type]  # all that it asks of a desk
    assert await halts.heed() is HaltChange.NONE
    switch.throw("news", "anna")
    assert [await halts.heed() for _ in range(2)] == [HaltChange.THROWN, HaltChange.NONE]
    switch.rearm("over", "ben")
    assert [await halts.heed() for _ in range(2)] == [HaltChange.REARMED, HaltChange.NONE]
    assert desk.words == ["kill news anna", "rearm over ben"]


async def test_what_the_executor_finds_throws_the_switch(tmp_path: Path) -> None:
    switch, desk = parts(tmp_path)
    halts = Halts(switch, desk, None)  # type: ignore[arg-type]
    desk.halted_because = "the venue contradicts the journal"
    assert await halts.heed() is HaltChange.THROWN
    assert switch.state().reason == "the venue contradicts the journal"
    assert desk.words == []  # it is in the journal already


async def test_a_lost_file_rearms_nothing(tmp_path: Path) -> None:
    switch, desk = parts(tmp_path)
    halts = Halts(switch, desk, halted_ns=5)  # type: ignore[arg-type]
    await halts.heed()
    assert switch.state().is_thrown
    switch.path.unlink()
    await halts.heed()
    assert switch.state().is_thrown


async def test_a_word_from_before_the_halt_rearms_nothing(tmp_path: Path) -> None:
    switch, desk = parts(tmp_path, now_ns=10)
    switch.throw("news", "anna")
    switch.rearm("over", "ben")
    later = KillSwitch(tmp_path, "a.sqlite", ReplayClock(30))
    halts = Halts(later, desk, halted_ns=20)  # type: ignore[arg-type]  # killed later, and died before it threw it
    await halts.heed()
    assert switch.state().is_thrown
    later.rearm("looked at it", "ben")
    assert await halts.heed() is HaltChange.REARMED
