"""Writing windows as one Parquet file, a group of rows at a time."""

import itertools
import math
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from agv2.core.errors import DataError
from agv2.data.price_action.window_columns import WindowBatch, frame_of_batch
from agv2.data.price_action.window_header import WindowHeader
from agv2.data.store.durable_files import replace_durably

__all__ = ["FileSizes", "file_sizes", "write_windows"]

_GROUP_BYTES = 32 * 2**20  # unpacked; a reader holds a few groups at once
# Neighbouring windows are all but the same bars. In one page the packer finds that; across pages it cannot.
_PAGE_BYTES = 16 * 2**20
_PACKER_REACH_BYTES = 2**20  # how far back it looks, with a margin
_ZSTD_LEVEL = 3
_ROOM_MARGIN = 1.2


class FileSizes(NamedTuple):
    """How large a file of windows becomes."""

    unpacked: int
    """Bytes that its windows take in memory: what a tool needs that reads the file whole."""
    packed: int
    """Bytes on disk, about."""
    group_rows: int
    """Windows in a group of rows, which is what is written, and read, at a time."""


def file_sizes(n_windows: int, window: int, n_features: int, stride: int) -> FileSizes:
    """Sizes of a file, before it is written.

    Args:
        n_windows: rows.
        window: bars in each.
        n_features: of each bar, float32.
        stride: bars between consecutive windows; what they share is packed well.
    """
    row_bytes = 4 * window * n_features
    page_rows = max(1, _PAGE_BYTES // row_bytes)
    shared = row_bytes <= _PACKER_REACH_BYTES
    page_bars = min(page_rows * window, window + (page_rows - 1) * stride) if shared else page_rows * window
    packed = math.ceil(n_windows * page_bars * n_features * 4 / page_rows)
    return FileSizes(n_windows * row_bytes, packed, max(1, _GROUP_BYTES // row_bytes))


def write_windows(
    path: Path,
    header: WindowHeader,
    batches: Iterable[WindowBatch],
    n_windows: int,
    *,
    force: bool = False,
    report: Callable[[int], None] | None = None,
) -> None:
    """Write windows to one file, which appears under its name only when it is complete.

    Memory stays at a few batches, however many there are.

    Args:
        path: file to create.
        header: what to say about the windows.
        batches: at least one, all with the same columns; taken one after the other, as the disk keeps up.
        n_windows: rows of all batches together.
        force: replace a file that is there already.
        report: told the number of rows handed over so far, from another thread.

    Raises:
        DataError: the file exists and is not to be replaced, the disk is too small or refuses, a feature is not
            finite, or the batches do not have the rows that were announced.
    """
    if path.is_dir():
        raise DataError(f"{path}: this is a directory; name a file")
    if path.exists() and not force:
        raise DataError(f"{path}: exists already; write elsewhere, or replace it with --force")
    sizes = file_sizes(n_windows, header.window, len(header.features), header.stride)
    counted = _counted(path, header, batches, n_windows, report)
    first = next(counted)  # its columns are the file's; before the disk is touched
    frames = itertools.chain([first], counted)
    lazy = register_io_source(lambda *_: frames, schema=first.schema)

    def sink(unfinished: Path) -> None:
        try:
            lazy.sink_parquet(
                unfinished,
                compression="zstd",
                compression_level=_ZSTD_LEVEL,
                row_group_size=sizes.group_rows,
                data_page_size=_PAGE_BYTES,
                statistics=False,  # of single floats in windows: no reader could use them
                metadata=header.metadata(),
                maintain_order=True,
            )
        except KeyboardInterrupt:
            # Raised by polars for the signal that the interpreter still has to answer: let it do so here, or the
            # second one would hit the removal of the unfinished file.
            try:  # noqa: SIM105 - entering `suppress` is where the second one would be raised
                time.sleep(0.0)
            except KeyboardInterrupt:
                pass
            raise

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _require_room(path, sizes)
        replace_durably(path, sink)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise DataError(f"{path}: cannot be written ({reason}); check permissions and space") from error


def _counted(
    path: Path,
    header: WindowHeader,
    batches: Iterable[WindowBatch],
    n_windows: int,
    report: Callable[[int], None] | None,
) -> Iterator[pl.DataFrame]:
    """Each batch as a table, refused if no reader would take it."""
    n_done = 0
    shape = (header.window, len(header.features))
    for batch in batches:
        if batch.features.shape[1:] != shape:
            raise DataError(f"{path}: windows of {batch.features.shape[1:]} announced as {shape}")
        finite = np.isfinite(batch.features).all(axis=(1, 2))
        if not finite.all():
            raise DataError(f"{path}: row {n_done + int(np.argmin(finite))}: a feature is not finite; leave it out")
        n_done += len(batch)
        yield frame_of_batch(batch)
        if report is not None:
            report(n_done)
    if n_done != n_windows or not n_done:
        raise DataError(f"{path}: {n_windows} windows announced, {n_done} found; nothing was written")


def _require_room(path: Path, sizes: FileSizes) -> None:
    free = shutil.disk_usage(path.parent).free
    needed = int(sizes.packed * _ROOM_MARGIN)
    if free < needed:
        raise DataError(
            f"{path}: about {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free; take a larger --stride, or write "
            "elsewhere"
        )
