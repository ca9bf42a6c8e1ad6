"""The audit log of a service, and the newest decisions of it for whoever asks."""

import json
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agv2.core.errors import StateError
from agv2.deploy.audit_chain import AuditKind, AuditRecord, read_records
from agv2.deploy.audit_log import AuditLog
from agv2.utils.clock import Clock

__all__ = ["DecisionLog"]


class DecisionLog:
    """Writes every record of a service; may be used from several threads.

    Args:
        path: file of the chain.
        clock: stamps the records.
        kept: decisions that are kept in memory; those of earlier starts among them.

    Raises:
        StateError: as for `AuditLog`.
    """

    def __init__(self, path: Path, clock: Clock, kept: int) -> None:
        self.chain = AuditLog(path, clock)
        self.heard: Callable[[AuditKind, Mapping[str, Any]], None] = lambda kind, body: None
        """Told of each record once it is safe."""
        self._latest: deque[dict[str, Any]] = deque(maxlen=kept)
        for record in read_records(path):
            self._keep(record)

    def record(self, kind: AuditKind, body: dict[str, Any]) -> AuditRecord:
        """Append; on return it is safe.

        Raises:
            StateError: it cannot be written.
        """
        record = self.chain.append(kind, body)
        self._keep(record)
        self.heard(kind, record.body)
        return record

    def latest(self, limit: int, symbol: str | None) -> list[dict[str, Any]]:
        """Newest decisions as recorded, the newest first, each with its attribution once that is there."""
        found = [each for each in reversed(self._latest) if symbol in (None, each["symbol"])]
        return found[:limit]

    def kept(self) -> list[dict[str, Any]]:
        """All that are kept, the oldest first."""
        return list(self._latest)

    def close(self, farewell: dict[str, Any]) -> None:
        """Write the last record, where it can be written, and let another process write the chain."""
        try:
            self.record(AuditKind.STOPPED, farewell)
        except StateError:
            pass  # the answer to whoever asked last said so already
        finally:
            self.chain.close()

    def _keep(self, record: AuditRecord) -> None:
        if record.kind == AuditKind.DECISION:
            self._latest.append(_shown(record))
        elif record.kind == AuditKind.ATTRIBUTION:
            for shown in reversed(self._latest):
                if shown["number"] == record.body["of"]:
                    shown["attribution"] = dict(record.body)
                    break


def _shown(record: AuditRecord) -> dict[str, Any]:
    """A record as `/v1/decisions` has it; a copy, to which its attribution may be added."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(record.body)))
    return {"number": record.number, "sha256": record.digest, "ts_ns": record.ts_ns, **plain, "attribution": None}
