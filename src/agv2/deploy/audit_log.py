"""The audit log: every decision in a chain of hashes, on disk before anybody acts on it.

A record carries the hash of the one before, so that no byte of it and none before it can change unseen. What a chain
cannot show by itself is that its end was cut off. Therefore its head, the number and hash of the newest record, is kept
in a small file beside it, which notices an accident but not an adversary who changes both; and it is handed out (by
`agv2 audit verify`, `/v1/decisions` and the log), so that whoever notes it elsewhere can prove such a cut later.
"""

import os
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from agv2.core.errors import StateError
from agv2.deploy.audit_chain import (
    GENESIS,
    HEAD_SUFFIX,
    AuditKind,
    AuditRecord,
    ChainHead,
    parse_record,
    read_anchor,
    record_line,
)
from agv2.utils.clock import Clock

__all__ = ["AuditLog"]

_TAIL_BYTES = 1 << 20
_REMEDY = "`agv2 audit verify` says where; move the file and its .head aside to begin a new chain"


class AuditLog:
    """The one writer of a chain; a second one is refused. May be used from several threads.

    Args:
        path: file of the chain, made with its directory where it is not there.
        clock: stamps the records.

    Raises:
        StateError: another process writes it, it cannot be written, or its end was changed or cut off.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._guard = threading.Lock()
        # Opened in one thread and closed in another.
        self._lock = FileLock(path.with_name(f"{path.name}.lock"), thread_local=False)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise StateError(f"{path}: another process writes this audit log; stop it first") from error
        except OSError as error:
            raise StateError(f"{path.parent}: cannot be written ({error.strerror}); set AGV2_HOME") from error
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise

    def _open(self) -> None:
        path = self._path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self._head_file = os.open(path.with_name(path.name + HEAD_SUFFIX), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StateError(f"{path}: cannot be written ({error.strerror})") from error
        self._head = self._continued()
        self._failed = False
        if self._head.number == 0:
            self.append(AuditKind.OPENED, {"chain": secrets.token_hex(16)})
            _flush_directory(path.parent)
        else:
            self._note_head()

    def __enter__(self) -> "AuditLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def head(self) -> ChainHead:
        """The newest record that is on disk."""
        return self._head

    def append(self, kind: AuditKind, body: Mapping[str, Any]) -> AuditRecord:
        """Write a record; when this returns it has reached the disk.

        Args:
            kind: what it is about.
            body: JSON values without NaN.

        Raises:
            StateError: it did not reach the disk. Nothing is written after that, so that no gap can look like none.
        """
        with self._guard:
            if self._failed:
                raise StateError(f"{self._path}: an earlier record did not reach the disk; start again")
            ts_ns = self._clock.now_ns()
            line, digest = record_line(self._head.number + 1, ts_ns, kind, body, self._head.digest)
            try:
                _write_all(self._file, line)
                os.fsync(self._file)
            except OSError as error:
                self._failed = True
                raise StateError(f"{self._path}: a record did not reach the disk ({error.strerror})") from error
            record = AuditRecord(self._head.number + 1, ts_ns, kind, body, self._head.digest, digest)
            self._head = record.head
            self._note_head()
            return record

    def close(self) -> None:
        """Flush, and let another process write the chain; closing twice is harmless."""
        with self._guard:
            if self._lock.is_locked:
                os.fsync(self._head_file)
                os.close(self._file)
                os.close(self._head_file)
                self._failed = True
                self._lock.release()

    def _note_head(self) -> None:
        # Not flushed each time: after a power cut it may lag, which is harmless; a kill leaves it as it was written.
        os.lseek(self._head_file, 0, os.SEEK_SET)
        _write_all(self._head_file, f"{self._head.number:020d}:{self._head.digest}\n".encode())

    def _continued(self) -> ChainHead:
        """Head of what is there, its torn last line put aside."""
        size = os.fstat(self._file).st_size
        with self._path.open("rb") as stream:
            stream.seek(max(0, size - _TAIL_BYTES))
            tail = stream.read()
        if size > _TAIL_BYTES:
            tail = tail[tail.find(b"\n") + 1 :]
        end = tail.rfind(b"\n") + 1
        lines = tail[:end].splitlines()
        try:
            head = parse_record(lines[-1]).head if lines else ChainHead(0, GENESIS)
            anchor = read_anchor(self._path) if os.fstat(self._head_file).st_size else None
        except ValueError as error:
            raise StateError(f"{self._path}: the last record or the noted head {error}; {_REMEDY}") from error
        if anchor is not None:
            self._require_anchor(anchor, head, lines)
        if torn := tail[end:]:
            aside = self._path.with_name(f"{self._path.name}.torn-{head.number + 1}")
            aside.write_bytes(torn)
            os.ftruncate(self._file, size - len(torn))
            os.fsync(self._file)
        return head

    def _require_anchor(self, anchor: ChainHead, head: ChainHead, lines: list[bytes]) -> None:
        if anchor.number > head.number:
            raise StateError(
                f"{self._path}: records {head.number + 1} to {anchor.number} are missing, cut off the end; {_REMEDY}"
            )
        behind = head.number - anchor.number
        if behind < len(lines) and f'"sha256":"{anchor.digest}"'.encode() not in lines[-1 - behind]:
            raise StateError(f"{self._path}: record {anchor.number} is not the one that was noted; {_REMEDY}")


def _write_all(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]


def _flush_directory(directory: Path) -> None:
    if os.name == "nt":  # directories cannot be opened there
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
