"""What shows that trials were taken out of the ledger: a list that only grows, and the moment at which it began.

`trials/recorded.txt` has a line for each trial that was ever recorded; one whose file is gone still counts. A ledger
that was deleted as a whole begins anew, and reports say when that was.
"""

import contextlib
import json
import os
import pathlib

from agv2.backtest.atomic_files import write_atomically

__all__ = ["ledger_begun_ns", "missing_trials", "remember_trial"]

_BEGUN, _RECORDED = "begun.json", "recorded.txt"


def ledger_begun_ns(folder: pathlib.Path, now_ns: int) -> int:
    """When the ledger in `folder` was begun, nanoseconds UTC; if nobody wrote that down, it is now.

    A ledger that is older than this file began with its oldest trial.

    Args:
        folder: of the ledger; it exists.
        now_ns: written down where nothing is.
    """
    path = folder / _BEGUN
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return int(json.loads(path.read_text(encoding="utf-8"))["begun_ns"])
    oldest = min((trial.stat().st_mtime_ns for trial in folder.glob("*/*.json")), default=now_ns)
    write_atomically(path, json.dumps({"begun_ns": min(oldest, now_ns)}) + "\n")
    return min(oldest, now_ns)


def remember_trial(folder: pathlib.Path, data_hash: str, trial_hash: str) -> None:
    """Add a line for a trial; several processes may do so at once."""
    line = f"{data_hash} {trial_hash}\n"
    path = folder / _RECORDED
    if path.is_file() and line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        return
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def missing_trials(folder: pathlib.Path, data_hash: str) -> list[str]:
    """Hashes of trials on these data that were recorded and have no file any more, in order.

    Args:
        folder: of the ledger.
        data_hash: of the data.
    """
    path = folder / _RECORDED
    if not path.is_file():
        return []
    lines = (line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    known = {line[1] for line in lines if len(line) == 2 and line[0] == data_hash}
    return sorted(name for name in known if not (folder / data_hash / f"{name}.json").is_file())
