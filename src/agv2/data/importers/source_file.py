"""A vendor's file as bytes of UTF-8 text, out of whatever it was packed and encoded in."""

import gzip
import io
import json
import lzma
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from agv2.core.errors import DataError

__all__ = ["SourceFile", "open_source"]

_LARGEST_BYTES = 4 << 30
_HARMLESS_BYTES = 64 << 20
_LARGEST_RATIO = 200  # prices as text pack 3 to 30 times; a bomb packs a thousand times
_CHUNK = 4 << 20
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_UNPACKING_ERRORS = (
    OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file as its parser wants it."""

    path: Path
    """As the user gave it; begins every message."""
    stem: str
    """Name of the innermost file without its suffixes: where a symbol may stand."""
    content: bytes
    """Parquet as it is; else UTF-8 text without a byte order mark, lines ended by one newline each."""
    is_parquet: bool
    notes: tuple[str, ...]


class _Unpacked(NamedTuple):
    name: str
    content: bytes
    notes: tuple[str, ...] = ()


def open_source(path: Path) -> SourceFile:
    """Read `path`, which may be packed with gzip or zip, as UTF-8 or UTF-16 text, a JSON array of rows, or Parquet.

    What a file is packed in is told from its first bytes, not from its name. JSON rows become comma-separated lines,
    row i on line i. Trailing blank lines go.

    Raises:
        DataError: the file cannot be read or unpacked, unpacks to too much, is no text, or is empty.
    """
    packed = _bytes_of(path)
    unpacked = _unpacked(path, packed)
    name = PurePosixPath(unpacked.name.replace("\\", "/")).name
    stem = _stem(name)
    content = unpacked.content
    if content[:4] == b"PAR1":
        return SourceFile(path, stem, content, True, unpacked.notes)
    text = _plain_lines(path, content)
    if text[:1] in (b"[", b"{"):
        text = _lines_of_json(path, text)
    return SourceFile(path, stem, text, False, unpacked.notes)


def _bytes_of(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise DataError(f"{path}: larger than {_LARGEST_BYTES >> 30} GiB; split it")
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; check the path") from None
    except IsADirectoryError:
        raise DataError(f"{path}: this is a directory; give the files in it") from None
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read ({problem}); check its name and permissions") from error


def _stem(name: str) -> str:
    for suffix in (".gz", ".zip", ".csv", ".txt", ".tsv", ".json", ".parquet", ".hst"):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name


def _unpacked(path: Path, packed: bytes) -> _Unpacked:
    try:
        if packed[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
                return _Unpacked(path.name, _drained(path, stream, len(packed)))
        if packed[:4] == b"PK\x03\x04":
            return _from_zip(path, packed)
    except _UNPACKING_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{path}: cannot be unpacked ({reason}); download it again, or unpack it yourself") from error
    return _Unpacked(path.name, packed)


def _from_zip(path: Path, packed: bytes) -> _Unpacked:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        for member in members:
            name = member.filename.replace("\\", "/")
            linked = stat.S_ISLNK(member.external_attr >> 16)
            if linked or name.startswith("/") or ".." in name.split("/") or ":" in name or not name.isprintable():
                raise DataError(f"{path}: the member {member.filename!r} points outside the archive; do not trust it")
        members, notes = _without_histdata_report(members)
        if len(members) != 1:
            names = ", ".join(member.filename for member in members[:3]) + (" …" if len(members) > 3 else "")
            raise DataError(f"{path}: {len(members)} files inside ({names or 'none'}), expected one; unpack it first")
        member = members[0]
        if member.flag_bits & 1:
            raise DataError(f"{path}: {member.filename} is encrypted; unpack it first")
        with archive.open(member) as stream:
            return _Unpacked(member.filename, _drained(path, stream, len(packed)), notes)


def _without_histdata_report(members: list[zipfile.ZipInfo]) -> tuple[list[zipfile.ZipInfo], tuple[str, ...]]:
    """HistData packs a report on gaps beside its bars: the same name in .txt."""
    names = sorted(member.filename for member in members)
    if len(names) == 2 and names[0].endswith(".csv") and names[1] == f"{names[0][:-4]}.txt":
        return [member for member in members if member.filename == names[0]], (f"{names[1]} beside the bars: not read",)
    return members, ()


def _drained(path: Path, stream: IO[bytes] | gzip.GzipFile, n_packed: int) -> bytes:
    """All that `stream` unpacks to, unless that is more than prices can be."""
    limit = min(_LARGEST_BYTES, max(_HARMLESS_BYTES, _LARGEST_RATIO * n_packed))
    chunks: list[bytes] = []
    total = 0
    while chunk := stream.read(_CHUNK):
        total += len(chunk)
        if total > limit:
            raise DataError(f"{path}: unpacks to more than {limit >> 20} MiB; unpack it yourself if you trust it")
        chunks.append(chunk)
    return b"".join(chunks)


def _plain_lines(path: Path, content: bytes) -> bytes:
    encoding = "utf-8"
    for mark, name in _MARKS:
        if content.startswith(mark):
            content, encoding = content[len(mark) :], name
            break
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: is not text in UTF-8 or UTF-16 (byte {error.start}); save or export it as CSV in UTF-8"
        ) from None
    if encoding != "utf-8":
        content = text.encode("utf-8", errors="replace")
    if b"\x00" in content:
        raise DataError(f"{path}: holds zero bytes, so it is no text file; export it as CSV")
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    last_text = len(content.rstrip())
    if not last_text:
        raise DataError(f"{path}: the file is empty; export it again with its bars")
    end = content.find(b"\n", last_text)  # a last row may end in empty fields
    return content if end < 0 else content[:end]


def _lines_of_json(path: Path, text: bytes) -> bytes:
    """Rows of a JSON array of arrays, as exchanges answer, one line each."""
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is no JSON that can be read ({error}); download it again") from error
    lines = []
    for i, row in enumerate(rows if isinstance(rows, list) else [rows]):
        if not isinstance(row, list) or not all(_is_field(value) for value in row):
            raise DataError(f"{path}: row {i + 1} of the JSON is no array of numbers; expected [[stamp, open, …], …]")
        lines.append(",".join("" if value is None else str(value) for value in row))
    if not any(lines):
        raise DataError(f"{path}: the JSON has no rows; download it again")
    return "\n".join(lines).encode()


def _is_field(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isprintable() and "," not in value
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
