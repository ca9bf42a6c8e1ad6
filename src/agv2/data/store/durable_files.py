"""Files that are either whole or absent, whatever interrupts their writing, and the remains of writers that died."""

import io
import os
import uuid
from collections.abc import Callable
from pathlib import Path

import polars as pl

__all__ = ["remove_leftovers", "replace_by_parquet", "replace_durably"]

_UNFINISHED = ".unfinished"


def replace_durably(path: Path, write: Callable[[Path], object]) -> None:
    """Replace `path` in one step by the file that `write` makes; parent directories are made.

    The bytes go to a temporary file beside `path` and reach the disk before they take its name, and so does the name:
    a reader, a kill or a power cut sees the old file or the new one, never a part of either.

    Args:
        path: file to create or replace.
        write: makes the file under the name that it is handed.

    Raises:
        OSError: the directory cannot be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}{_UNFINISHED}")
    try:
        write(unfinished)
        _flush(unfinished)
        os.replace(unfinished, path)
        _flush_directory(path.parent)
    finally:  # Ctrl-C included: a half-written file must go
        unfinished.unlink(missing_ok=True)


def replace_by_parquet(
    path: Path, frame: pl.DataFrame, *, row_group_size: int | None = None, metadata: dict[str, str] | None = None
) -> None:
    """`replace_durably` by the rows of `frame`.

    They are packed in memory, for where a disk is full polars raises an error that is no OSError.

    Args:
        path: file to create or replace.
        frame: its content.
        row_group_size: rows that readers skip together; None: as polars likes.
        metadata: of the file; None: none.

    Raises:
        OSError: as `replace_durably`.
    """
    packed = io.BytesIO()
    frame.write_parquet(packed, compression="zstd", statistics=True, row_group_size=row_group_size, metadata=metadata)
    replace_durably(path, lambda name: name.write_bytes(packed.getbuffer()))


def remove_leftovers(directory: Path) -> int:
    """Remove what killed writers left below `directory`; only for whoever holds the lock on it.

    Returns:
        Number of files removed.
    """
    leftovers = list(directory.rglob(f"*{_UNFINISHED}"))
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    return len(leftovers)


def _flush(path: Path) -> None:
    # Opened for writing: Windows flushes no other handle.
    with open(path, "r+b") as file:
        os.fsync(file.fileno())


def _flush_directory(directory: Path) -> None:
    if os.name == "nt":  # directories cannot be opened there; NTFS journals the rename itself
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
