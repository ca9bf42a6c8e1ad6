"""Files that are either whole or absent, whatever interrupts their writing."""

import os
import pathlib
import tempfile

__all__ = ["write_atomically"]


def write_atomically(path: pathlib.Path, content: bytes | str, *, mode: int = 0o644) -> None:
    """Replace `path` by `content` in one step; parent directories are made.

    The bytes go to a temporary file beside `path`, reach the disk, and then take its name: a reader or a power
    cut sees the old file or the new one, never a part of either.

    Args:
        path: file to create or replace.
        content: text is written as UTF-8.
        mode: permissions of the file; a secret's are 0o600.

    Raises:
        OSError: the directory cannot be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)  # a temporary file is private; a result is not
        os.replace(name, path)
    except BaseException:  # Ctrl-C included: the half-written file must go
        pathlib.Path(name).unlink(missing_ok=True)
        raise
