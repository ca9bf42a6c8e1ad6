"""What a person does to a service: kill, re-arm, say yes or no; each in the audit log."""

from collections.abc import Callable

import structlog

from agv2.core.errors import ConfigError
from agv2.deploy.account_switch import KillState
from agv2.deploy.approval_desk import Question
from agv2.deploy.audit_chain import AuditKind
from agv2.deploy.service import DecisionService

__all__ = ["PersonActs"]

_log = structlog.get_logger("agv2.service")


class PersonActs:
    """The acts of one person.

    Args:
        service: acted on.
        actor: id of the person's token.
        request_id: correlation id.
    """

    def __init__(self, service: DecisionService, actor: str, request_id: str) -> None:
        self._service, self._actor, self._request_id = service, actor, request_id

    async def kill(self, reason: str, *, flatten: bool = False) -> KillState:
        """Forbid new positions; holds for every process of the account, and for the traders beside it.

        Args:
            reason: why.
            flatten: whether what is held is closed as well.
        """
        service = self._service

        def turn() -> KillState:
            state = service.switch.kill(self._actor, reason, flatten=flatten)
            for other in service.parts.other_switches():
                other.throw(reason, self._actor, flatten=flatten)
            return state

        return await self._turned(AuditKind.KILL, turn, reason, flatten=flatten)

    async def rearm(self, reason: str, *, fresh_limits: bool) -> KillState:
        """Allow new positions again.

        Args:
            reason: why.
            fresh_limits: whether peak and daily start begin anew with the next decision's equity.
        """
        service = self._service

        def turn() -> KillState:
            for other in service.parts.other_switches():
                other.rearm(reason, self._actor)
            return service.switch.rearm(self._actor, reason)

        state = await self._turned(AuditKind.REARM, turn, reason, fresh_limits=fresh_limits)
        await service.settle(fresh_limits=fresh_limits)
        return state

    async def answer(self, approval_id: str, *, approve: bool, reason: str) -> Question:
        """Say yes or no to a request.

        Raises:
            ConfigError: there is none, it is no longer open, or it is a yes while the kill switch is thrown.
        """
        service = self._service

        def said() -> Question:
            if approve and service.switch.state().engaged:
                raise ConfigError("the kill switch is thrown: nothing may be opened; deny it, or re-arm first")
            return service.approvals.answer(approval_id, approve=approve, actor=self._actor, remark=reason)

        answered = await service.ask(said)
        await service.write(AuditKind.APPROVAL, self._request_id, service.shown(answered))
        service.metrics.approvals.labels("yes" if approve else "no").inc()
        return answered

    async def _turned(self, kind: AuditKind, turn: Callable[[], KillState], reason: str, **more: bool) -> KillState:
        state = await self._service.ask(turn)
        self._service.metrics.kill_switch.set(float(state.engaged))
        await self._service.write(kind, self._request_id, {"actor": self._actor, "reason": reason, **more})
        _log.warning(kind.value, actor=self._actor, reason=reason)
        return state
