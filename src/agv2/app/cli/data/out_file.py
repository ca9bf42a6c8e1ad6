"""The Parquet file that a command was asked to write: a new one, or one line on why not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["require_new_parquet", "writing"]


def require_new_parquet(path: Path, *others: Path) -> None:
    """Return if `path` is a name for Parquet, and neither it nor one of `others` is there already.

    Raises:
        DataError: the name has another ending, or something would be written over.
    """
    from agv2.core.errors import DataError

    if path.suffix != ".parquet":
        raise DataError(f"{path}: bars are written as Parquet; end the name with .parquet")
    for file in (path, *others):
        if file.exists():
            raise DataError(f"{file}: exists already; remove it or write elsewhere")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A place for `path`; what the disk refuses is one line for a person.

    Raises:
        DataError: the directory cannot be made, or the file not be written.
    """
    from agv2.core.errors import DataError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error}); choose another place") from error
