"""Verdicts of the go-live gate in a hash-chained log of their own, and what permits live trading."""

from collections.abc import Iterator
from pathlib import Path

from agv2.app.golive.examination import GateVerdict
from agv2.core.errors import ConfigError, DataError
from agv2.deploy.audit_chain import AuditKind, AuditRecord, read_records, verify_chain
from agv2.deploy.audit_log import AuditLog
from agv2.utils.clock import Clock
from agv2.utils.environment import Environment

__all__ = ["GateLog", "standing_pass"]

_NS_PER_DAY = 86_400_000_000_000
_NAME = "go-live"


class GateLog:
    """The log under a home; `agv2 audit verify --account go-live` proves it.

    Args:
        environment: names the home.
        clock: stamps records.
    """

    def __init__(self, environment: Environment, clock: Clock) -> None:
        self.path: Path = environment.home / "audit" / f"{_NAME}.jsonl"
        self._clock = clock

    def note_verdict(self, verdict: GateVerdict, actor: str) -> AuditRecord:
        """Write down what was found, and who asked.

        Raises:
            StateError: it did not reach the disk.
        """
        return self._append(
            {
                "event": "verdict",
                "passed": verdict.is_passed,
                "model": verdict.bundle,
                "symbol": verdict.symbol,
                "limits": verdict.limits,
                "journal": verdict.journal,
                "actor": actor,
                "asked": verdict.asked,
                "requirements": [
                    {"name": each.name, "met": each.is_met, "evidence": each.evidence} for each in verdict.requirements
                ],
            }
        )

    def note_override(self, verdict: GateVerdict, actor: str, reason: str) -> AuditRecord:
        """Write down that somebody trades real money although the gate was not passed, and what was missing.

        Raises:
            ConfigError: no reason is given.
            StateError: it did not reach the disk.
        """
        if not reason.strip():
            raise ConfigError("say why: the reason is kept for good")
        return self._append(
            {
                "event": "override",
                "model": verdict.bundle,
                "symbol": verdict.symbol,
                "limits": verdict.limits,
                "actor": actor,
                "reason": reason,
                "missing": list(verdict.missing),
            }
        )

    def note_promotion(self, reference: str, model: str, former: str, actor: str) -> AuditRecord:
        """Write down that a model becomes champion.

        Args:
            reference: its address in the registry.
            model: digest of its bundle.
            former: digest of the champion before; empty: there was none.
            actor: who promotes it.

        Raises:
            StateError: it did not reach the disk.
        """
        return self._append(
            {"event": "promotion", "reference": reference, "model": model, "former": former, "actor": actor}
        )

    def verdicts(self, model: str, symbol: str) -> list[AuditRecord]:
        """Verdicts on a bundle and market, oldest first; none where nothing was ever asked.

        Raises:
            DataError: the log was changed.
        """
        return [
            record
            for record in self._records()
            if (record.body.get("event"), record.body.get("model"), record.body.get("symbol"))
            == ("verdict", model, symbol)
        ]

    def _records(self) -> Iterator[AuditRecord]:
        if not self.path.is_file():
            return
        if problem := verify_chain(self.path).problem:
            raise DataError(f"{self.path}: {problem}; agv2 audit verify --account {_NAME} says more")
        yield from (record for record in read_records(self.path) if record.kind == AuditKind.GATE)

    def _append(self, body: dict[str, object]) -> AuditRecord:
        with AuditLog(self.path, self._clock) as log:
            return log.append(AuditKind.GATE, body)


def standing_pass(
    verdicts: list[AuditRecord], limits: str, valid_days: int, now_ns: int, begun_under: str, last_live_ns: int
) -> AuditRecord | str:
    """The verdict that permits a start now, or why there is none.

    The newest verdict decides. Where live trading has begun under a pass, that pass stands as long as live trading is
    not interrupted: who trades live need not go on with paper.

    Args:
        verdicts: on the bundle and market, oldest first.
        limits: digest of those that will hold.
        valid_days: that a pass may be old at the first start, or the last live bar at a later one.
        now_ns: the time.
        begun_under: head of the record under which this bundle last traded live; empty: it never did.
        last_live_ns: open of the last bar that it traded live.
    """
    passed = [each for each in verdicts if each.body["passed"] and each.body["limits"] == limits]
    begun = [each for each in passed if str(each.head) == begun_under]
    if begun and now_ns - last_live_ns <= valid_days * _NS_PER_DAY:
        return begun[-1]
    if not verdicts:
        return "agv2 golive never looked at it"
    newest = verdicts[-1]
    if newest.body["limits"] != limits:
        return "agv2 golive looked at it under other limits"
    if not newest.body["passed"]:
        return "it has not passed the go-live gate"
    age = (now_ns - newest.ts_ns) / _NS_PER_DAY
    if age > valid_days:
        return f"it passed the go-live gate {age:.0f} days ago, and {valid_days} are the most"
    return newest
