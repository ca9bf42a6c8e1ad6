"""New positions that wait for a person's yes, kept where every process of the account sees them."""

import json
import secrets
from dataclasses import dataclass, replace
from typing import Any

from agv2.core.errors import ConfigError, DataError
from agv2.deploy.approvals import Approval, ApprovalAnswer
from agv2.deploy.state_store import StateStore
from agv2.utils.clock import Clock

__all__ = ["ApprovalDesk", "Question"]

_KEEP_NS = 7 * 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Question:
    """One approval with what it is about."""

    approval: Approval
    symbol: str
    proposal: dict[str, Any]
    """What would be done; plain JSON values that a person can judge by."""
    remark: str = ""
    """What the person who answered said."""

    def status(self, now_ns: int) -> str:
        """`pending`, `approved`, `denied`, or `expired`, which is a no."""
        known = self.approval.known(now_ns)
        if known is ApprovalAnswer.NO and self.approval.answer is ApprovalAnswer.WAITING:
            return "expired"
        return {"waiting": "pending", "yes": "approved", "no": "denied"}[known.value]

    def entries(self, now_ns: int) -> dict[str, Any]:
        """As plain values, for a person and for the audit log."""
        approval = self.approval
        return {
            "approval_id": approval.id,
            "symbol": self.symbol,
            "asked_ns": approval.asked_ns,
            "expires_ns": approval.expires_ns,
            "status": self.status(now_ns),
            "proposal": self.proposal,
            "actor": approval.by,
            "reason": self.remark,
            "answered_ns": approval.answered_ns,
        }


class ApprovalDesk:
    """One account's questions.

    Args:
        store: where they are kept.
        account: whose.
        clock: says what came too late.
    """

    def __init__(self, store: StateStore, account: str, clock: Clock) -> None:
        self._store, self._prefix, self._clock = store, f"approval:{account}:", clock

    def ask(self, symbol: str, proposal: dict[str, Any], timeout_s: float) -> Question:
        """Put a question; what waited for the same symbol is void, since the market has moved on.

        Args:
            symbol: of the position.
            proposal: plain JSON values that a person can judge by.
            timeout_s: seconds to answer within.
        """
        now_ns = self._clock.now_ns()
        for each in self.all():
            if now_ns - each.approval.asked_ns > _KEEP_NS:
                self._store.put(self._key(each.approval.id), None)
            elif each.symbol == symbol and each.status(now_ns) == "pending":
                void = replace(each, approval=each.approval.answered(False, "agv2", now_ns), remark="a newer one came")
                self._store.swap(self._key(each.approval.id), _text(each), _text(void))
        question = f"{symbol}: open {proposal.get('side', 'a position')}?"
        asked = Question(Approval.asked(secrets.token_hex(8), question, now_ns, timeout_s), symbol, proposal)
        self._store.put(self._key(asked.approval.id), _text(asked))
        return asked

    def all(self) -> list[Question]:
        """Every question of the last week, the newest first."""
        found = [_parse(text) for text in self._store.items(self._prefix).values()]
        return sorted(found, key=lambda each: each.approval.asked_ns, reverse=True)

    def get(self, approval_id: str) -> Question | None:
        """One question; None where there is none."""
        text = self._store.get(self._key(approval_id))
        return None if text is None else _parse(text)

    def answer(self, approval_id: str, *, approve: bool, actor: str, remark: str) -> Question:
        """Say yes or no; the first answer stands.

        Raises:
            ConfigError: there is no such question, or it is no longer open.
        """
        text = self._store.get(self._key(approval_id))
        if text is None:
            raise ConfigError(f"there is no approval {approval_id}")
        found = _parse(text)
        given = found.approval.answered(approve, actor, self._clock.now_ns())
        answered = replace(found, approval=given, remark=remark)
        if not self._store.swap(self._key(approval_id), text, _text(answered)):
            raise ConfigError(f"approval {approval_id} was answered at the same moment by somebody else")
        return answered

    def _key(self, approval_id: str) -> str:
        return self._prefix + approval_id


def _text(question: Question) -> str:
    kept = {
        "approval": question.approval.as_json(),
        "symbol": question.symbol,
        "proposal": question.proposal,
        "remark": question.remark,
    }
    return json.dumps(kept, sort_keys=True, allow_nan=False)


def _parse(text: str) -> Question:
    try:
        found = json.loads(text)
        return Question(**{**found, "approval": Approval.from_json(found["approval"])})
    except (ValueError, KeyError, TypeError) as error:
        raise DataError("an approval that is kept cannot be read: nothing is approved") from error
