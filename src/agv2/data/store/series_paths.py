"""Where a series of bars lies in the store: directory names that every file system and hive reader takes."""

import re
from pathlib import Path
from urllib.parse import unquote

from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe

__all__ = ["partition_path", "series_directories", "series_directory"]

# Lower case is encoded too, so that `abc` and `ABC` stay apart where the file system does not tell cases apart.
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
_LONGEST_NAME = 200  # bytes; common file systems allow 255 with `symbol=` before it
_DIRECTORY = re.compile(r"timeframe=(?P<timeframe>[1-9]\d*[mhdw])")


def series_directory(root: Path, symbol: str, timeframe: Timeframe) -> Path:
    """Directory of all that is stored of one symbol and timeframe.

    >>> series_directory(Path("bars"), "BRK/B", Timeframe(60)).as_posix()
    'bars/symbol=BRK%2FB/timeframe=1h'

    Raises:
        DataError: the symbol is empty, too long or holds characters that cannot be seen.
    """
    return root / f"symbol={_encoded(symbol)}" / f"timeframe={timeframe.name}"


def partition_path(directory: Path, year: int) -> Path:
    """The Parquet file with the bars of a series that open in `year`, UTC."""
    return directory / f"year={year}" / "part.parquet"


def series_directories(root: Path) -> list[tuple[str, Timeframe, Path]]:
    """Symbol, timeframe and directory of every series below `root`, in order; what is none of ours is passed over."""
    found = []
    for directory in root.glob("symbol=*/timeframe=*"):
        if match := _DIRECTORY.fullmatch(directory.name):
            timeframe = Timeframe.parse(match["timeframe"])
            symbol = unquote(directory.parent.name.removeprefix("symbol="), errors="replace")
            if symbol and directory == series_directory(root, symbol, timeframe):
                found.append((symbol, timeframe, directory))
    return sorted(found)


def _encoded(symbol: str) -> str:
    if not symbol.strip() or not symbol.isprintable():
        raise DataError(f"symbol {symbol!r} cannot name bars; give it one or more visible characters")
    data = symbol.encode("utf-8", errors="strict")
    letters = [chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in data]
    # `_`: hive readers take `__HIVE_DEFAULT_PARTITION__` and `NULL` for no value at all. Dots at either end mean a
    # hidden file to one system and nothing to another.
    if letters[0] in "_." or symbol == "NULL":
        letters[0] = f"%{data[0]:02X}"
    if letters[-1] == ".":
        letters[-1] = "%2E"
    name = "".join(letters)
    if len(name) > _LONGEST_NAME:
        raise DataError(f"symbol {symbol[:40]!r}… is too long for a file name; choose a shorter one")
    return name
