"""What the kill switch, the journal and the executor together say about a halt."""

from enum import Enum

from agv2.execution.desk import Desk
from agv2.execution.kill_switch import KillSwitch, SwitchState

__all__ = ["HaltChange", "Halts"]


class HaltChange(Enum):
    """What a look at the switch brought."""

    NONE = "nothing new"
    THROWN = "halted from now on"
    REARMED = "a person lets trading go on"


class Halts:
    """Follows one switch, and has the desk write down what changes.

    A halt stands if the switch or the journal says so, or the executor found that it must; only a newer word of a
    person, written into the switch, ends it. A switch whose file was lost, or is older than the halt, is thrown again.

    Args:
        switch: that anybody may throw.
        desk: keeps the journal's word.
        halted_ns: when the journal's last word became a halt; None where it is none.
    """

    def __init__(self, switch: KillSwitch, desk: Desk, halted_ns: int | None) -> None:
        self._switch, self._desk = switch, desk
        self._is_halted = halted_ns is not None
        # The journal of a recording has the recording's time, which may lie ahead of anybody's word.
        self._halted_ns = 0 if halted_ns is None or halted_ns > switch.now_ns() else halted_ns
        self._number = 0
        self.state: SwitchState = switch.state()

    async def heed(self) -> HaltChange:
        """Look at the switch.

        Raises:
            DataError: switch or journal cannot be written.
        """
        desk, state, was_halted = self._desk, self._switch.state(), self._is_halted
        if desk.halted_because is not None and not was_halted:  # the executor found a contradiction
            state = self._switch.throw(desk.halted_because, "executor")
        elif was_halted and not state.is_thrown and self._is_old(state):
            state = self._switch.throw("thrown earlier, and its file was lost", "journal")
        self.state, self._is_halted, self._number = state, state.is_thrown, state.number
        if state.is_thrown and not was_halted:
            if desk.halted_because is None:
                await desk.kill(state.reason, state.by)
            return HaltChange.THROWN
        if was_halted and not state.is_thrown:
            await desk.rearm(state.reason, state.by)
            return HaltChange.REARMED
        return HaltChange.NONE

    def _is_old(self, state: SwitchState) -> bool:
        """Whether what the switch says was said before the halt."""
        return state.number <= self._number or state.changed_ns <= self._halted_ns
