"""An account's kill switch: thrown by anybody who may act, by a guard, or by lost state; lifted by a person alone."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from agv2.core.errors import StateError
from agv2.deploy.state_store import StateStore
from agv2.utils.clock import Clock

__all__ = ["AccountSwitch", "KillState", "Killed"]


class Killed(StrEnum):
    """What a kill switch leaves of the policy's wishes."""

    NO = "no"
    """All of them: it is not thrown."""
    REDUCE = "reduce"
    """To keep or to reduce what is held."""
    FLATTEN = "flatten"


@dataclass(frozen=True, slots=True)
class KillState:
    """Whether new positions are forbidden, since when, by whom and why."""

    engaged: bool
    since_ns: int
    actor: str
    reason: str
    flattens: bool = False
    """What is held is closed as well."""

    @property
    def leaves(self) -> Killed:
        """What is left of the policy's wishes."""
        if not self.engaged:
            return Killed.NO
        return Killed.FLATTEN if self.flattens else Killed.REDUCE

    def text(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self), sort_keys=True)


_ARMED_FROM_THE_START = KillState(engaged=False, since_ns=0, actor="", reason="")


class AccountSwitch:
    """One account's switch, in the store that every process of the account shares.

    Args:
        store: where it is kept.
        account: whose.
        clock: says since when.
    """

    def __init__(self, store: StateStore, account: str, clock: Clock) -> None:
        self._store, self._key, self._clock = store, self.key_of(account), clock

    @staticmethod
    def key_of(account: str) -> str:
        """Its key in the store."""
        return f"kill_switch:{account}"

    @staticmethod
    def after_loss(clock: Clock) -> dict[str, str]:
        """What a store that was lost begins with: on no account may be opened anything before a person has looked."""
        reason = "the state was lost; look at the account, then re-arm"
        return {AccountSwitch.key_of("*"): KillState(True, clock.now_ns(), "agv2", reason).text()}

    def state(self) -> KillState:
        """What holds now; text that cannot be read counts as thrown.

        Raises:
            StateError: the store cannot say.
        """
        return self._holding(self._store.get(self._key))

    def _holding(self, text: str | None) -> KillState:
        """A loss of the store holds for every account until it is re-armed later than that."""
        own, lost = _parse(text), _parse(self._store.get(self.key_of("*")))
        return lost if lost.engaged and not own.engaged and own.since_ns <= lost.since_ns else own

    def kill(self, actor: str, reason: str, *, flatten: bool = False) -> KillState:
        """Forbid new positions, with `flatten` also those there are; thrown again it keeps its first reason.

        Raises:
            StateError: the store cannot keep it.
        """
        return self._turn(KillState(True, self._clock.now_ns(), actor, reason, flatten))

    def rearm(self, actor: str, reason: str) -> KillState:
        """Allow new positions again.

        Raises:
            StateError: the store cannot keep it.
        """
        return self._turn(KillState(False, self._clock.now_ns(), actor, reason))

    def _turn(self, wanted: KillState) -> KillState:
        for _ in range(100):  # a swap fails only where another process turned it in between
            text = self._store.get(self._key)
            found = self._holding(text)
            if found.engaged == wanted.engaged and (found.flattens or not wanted.flattens):
                return found
            if self._store.swap(self._key, text, wanted.text()):
                return wanted
        raise StateError("the kill switch is being turned by others all the time; try again")


def _parse(text: str | None) -> KillState:
    if text is None:
        return _ARMED_FROM_THE_START
    try:
        found: dict[str, Any] = json.loads(text)
        return KillState(
            engaged=bool(found["engaged"]),
            since_ns=int(found["since_ns"]),
            actor=str(found["actor"]),
            reason=str(found["reason"]),
            flattens=bool(found["flattens"]),
        )
    except (ValueError, KeyError, TypeError):
        return KillState(True, 0, "agv2", "what is kept of the kill switch cannot be read; re-arm to write it anew")
