"""The form of an audit record, and the reading of a chain of them."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from agv2.core.errors import DataError

__all__ = ["AuditKind", "AuditRecord", "ChainHead", "ChainReport", "read_records", "record_line", "verify_chain"]

GENESIS = "0" * 64
HEAD_SUFFIX = ".head"


class AuditKind(StrEnum):
    """What a record is about."""

    OPENED = "opened"
    """The first record: when the chain began, and a random name that no other chain has."""
    STARTED = "started"
    STOPPED = "stopped"
    DECISION = "decision"
    ATTRIBUTION = "attribution"
    """What the decision it names rested on; follows it, since it takes longer than deciding."""
    APPROVAL = "approval"
    KILL = "kill"
    REARM = "rearm"
    STATE_LOST = "state_lost"
    GUARD = "guard"
    """A tripwire that went off, or was lifted."""
    GATE = "gate"
    """A verdict of the go-live gate, or that somebody passed it over."""


class ChainHead(NamedTuple):
    """The newest record of a chain: whoever keeps this elsewhere notices if the end is cut off later."""

    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> "ChainHead":
        """The inverse of `str`.

        Raises:
            ValueError: `text` is no head.
        """
        number, _, digest = text.strip().partition(":")
        if len(digest) != len(GENESIS) or not number.isdigit():
            raise ValueError("no head of a chain; it is written NUMBER:SHA256")
        int(digest, 16)
        return cls(int(number), digest)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One line of a chain."""

    number: int
    """From 1 on, without gaps."""
    ts_ns: int
    kind: str
    body: Mapping[str, Any]
    previous: str
    """Digest of the record before."""
    digest: str
    """SHA-256 of all of the above."""

    @property
    def head(self) -> ChainHead:
        """The chain's end, were this its last record."""
        return ChainHead(self.number, self.digest)


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What a verification found."""

    records: int
    """How many are proved, counted from the first."""
    head: ChainHead
    """The last proved one; number 0 where there is none."""
    problem: str = ""
    """The first thing that is wrong, in one line; empty: nothing is."""
    first_bad: int = 0
    """Number of the first record that was changed or is missing; 0: none."""
    torn_bytes: int = 0
    """Bytes after the last whole line: a write that was interrupted, or is under way; the chain stands without it."""
    anchored: bool = False
    """Whether a head kept beside the file or given by the caller was there to hold the end against."""


def record_line(number: int, ts_ns: int, kind: str, body: Mapping[str, Any], previous: str) -> tuple[bytes, str]:
    """The one line of a record, and its digest.

    Args:
        number: one more than that of the record before.
        ts_ns: when, nanoseconds since 1970, UTC.
        kind: an `AuditKind`.
        body: JSON values without NaN.
        previous: digest of the record before, `GENESIS` for the first.
    """
    content = {"n": number, "ts_ns": ts_ns, "kind": kind, "body": body, "prev": previous}
    digest = hashlib.sha256(_canonical(content)).hexdigest()
    return _canonical({**content, "sha256": digest}) + b"\n", digest


def parse_record(line: bytes) -> AuditRecord:
    """A record whose line is byte for byte what its content makes, and whose digest is its own.

    Raises:
        ValueError: it is not.
    """
    try:
        entry = json.loads(line)
        number, ts_ns, kind, body = entry["n"], entry["ts_ns"], entry["kind"], entry["body"]
        remade, digest = record_line(number, ts_ns, kind, body, entry["prev"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("is not a record") from error
    if remade.rstrip(b"\n") != line.rstrip(b"\n"):
        raise ValueError("was changed")
    return AuditRecord(number, ts_ns, kind, body, entry["prev"], digest)


def read_records(path: Path) -> Iterator[AuditRecord]:
    """Records of a chain up to its last whole line, each proved on its own; their order is for `verify_chain` to prove.

    Raises:
        DataError: the file cannot be read, or a line is no record; names it.
    """
    for place, (line, whole) in enumerate(_lines(path), start=1):
        if not whole:
            return
        try:
            yield parse_record(line)
        except ValueError as error:
            raise DataError(f"{path}: record {place} {error}; `agv2 audit verify` says more") from error


def verify_chain(path: Path, known: Iterable[ChainHead] = ()) -> ChainReport:
    """Hold a chain against its own hashes, the head kept beside it, and heads that were kept elsewhere.

    Args:
        path: file of the chain.
        known: heads noted earlier, somewhere that whoever could change the file could not.

    Raises:
        DataError: there is no such file, or it cannot be read.
    """
    anchors, bad_anchor = _anchors(path, known)
    head, torn = ChainHead(0, GENESIS), 0
    for line, whole in _lines(path):
        if not whole:
            torn = len(line)
            break
        place = head.number + 1
        try:
            record = parse_record(line)
            _require_next(record, head)
        except ValueError as error:
            return ChainReport(head.number, head, f"record {place} {error}", place, anchored=bool(anchors))
        head = record.head
        if any(anchor.number == place and anchor != head for anchor in anchors):
            problem = f"record {place} is not the one that was noted when it was the last: the chain was written anew"
            return ChainReport(place - 1, head, problem, place, anchored=True)
    last = max((anchor.number for anchor in anchors), default=0)
    if last > head.number:
        problem = f"records {head.number + 1} to {last} are missing: the end was cut off"
        return ChainReport(head.number, head, problem, head.number + 1, torn, anchored=True)
    return ChainReport(head.number, head, bad_anchor, 0, torn, anchored=bool(anchors))


def read_anchor(path: Path) -> ChainHead | None:
    """The head kept beside the chain at `path`; None where none was kept.

    Raises:
        ValueError: it is there and unreadable.
    """
    try:
        return ChainHead.parse(path.with_name(path.name + HEAD_SUFFIX).read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error


def _anchors(path: Path, known: Iterable[ChainHead]) -> tuple[list[ChainHead], str]:
    anchors, problem = list(known), ""
    try:
        beside = read_anchor(path)
    except ValueError:
        problem = f"{path.name}{HEAD_SUFFIX} is unreadable: whether the end was cut off cannot be told from it"
    else:
        anchors += [] if beside is None else [beside]
    return anchors, problem


def _require_next(record: AuditRecord, head: ChainHead) -> None:
    if record.number != head.number + 1:
        raise ValueError(f"is missing: the next line is record {record.number}")
    if record.previous != head.digest:
        raise ValueError("does not follow the one before it: that one was changed, or records were exchanged")


def _lines(path: Path) -> Iterator[tuple[bytes, bool]]:
    """Lines, and whether each is whole: only the last can be torn."""
    try:
        with path.open("rb") as stream:
            for line in stream:
                yield line, line.endswith(b"\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _canonical(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()
