"""A person's yes to a new position. Silence is no."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from agv2.core.errors import ConfigError, DataError

__all__ = ["Approval", "ApprovalAnswer"]

_NS_PER_S = 1_000_000_000


class ApprovalAnswer(Enum):
    """What is known of a person's answer."""

    WAITING = "waiting"
    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Approval:
    """One question to a person; a value, saved before the question is shown."""

    id: str
    """Such as the strategy id of the order that waits."""
    question: str
    """What is to be opened, for a person."""
    asked_ns: int
    expires_ns: int
    answer: ApprovalAnswer = ApprovalAnswer.WAITING
    by: str = ""
    answered_ns: int = 0

    @classmethod
    def asked(cls, id: str, question: str, now_ns: int, timeout_s: float) -> "Approval":
        """A question that was just put.

        Args:
            id: of what waits for it.
            question: for a person.
            now_ns: nanoseconds since 1970, UTC.
            timeout_s: after which the answer is no.
        """
        return cls(id, question, now_ns, now_ns + round(timeout_s * _NS_PER_S))

    def known(self, now_ns: int) -> ApprovalAnswer:
        """The answer at `now_ns`; no from the time-out on. A clock that was set back before the question is no too."""
        if self.answer is ApprovalAnswer.YES and self.answered_ns >= self.expires_ns:
            return ApprovalAnswer.NO  # a yes that came too late, whoever wrote it down
        if self.answer is not ApprovalAnswer.WAITING:
            return self.answer
        return ApprovalAnswer.WAITING if self.asked_ns <= now_ns < self.expires_ns else ApprovalAnswer.NO

    def permits(self, now_ns: int) -> bool:
        """Whether the position may be opened at `now_ns`: a yes in time, and not acted on after the time-out."""
        return self.known(now_ns) is ApprovalAnswer.YES and self.asked_ns <= now_ns < self.expires_ns

    def answered(self, yes: bool, by: str, now_ns: int) -> "Approval":
        """After a person's answer, which is final.

        Raises:
            ConfigError: nobody is named, or it is too late or was answered already; says which.
        """
        if not by.strip():
            raise ConfigError(f"approval {self.id}: an answer needs the name of a person")
        if self.answer is not ApprovalAnswer.WAITING:
            raise ConfigError(f"approval {self.id} was answered already: {self.answer.value}, by {self.by}")
        if self.known(now_ns) is not ApprovalAnswer.WAITING:
            raise ConfigError(f"approval {self.id} has timed out, which means no")
        answer = ApprovalAnswer.YES if yes else ApprovalAnswer.NO
        return replace(self, answer=answer, by=by.strip(), answered_ns=now_ns)

    def as_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads back."""
        return {
            "id": self.id,
            "question": self.question,
            "asked_ns": self.asked_ns,
            "expires_ns": self.expires_ns,
            "answer": self.answer.value,
            "by": self.by,
            "answered_ns": self.answered_ns,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Approval":
        """The inverse of `as_json`.

        Raises:
            DataError: it is something else; the position must then not be opened.
        """
        try:
            return cls(**{**document, "answer": ApprovalAnswer(document["answer"])})
        except (KeyError, ValueError, TypeError) as error:
            raise DataError(f"an approval cannot be read ({error}): nothing is approved") from error
