"""A text file as a table: its delimiter, its header, and its columns read row by row with line numbers kept."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from agv2.core.arrays import BoolArray, FloatArray, IntArray
from agv2.core.errors import DataError
from agv2.data.importers.source_file import SourceFile

__all__ = ["RowReader", "TextTable", "lay_out", "quoted"]

_DELIMITERS = "\t;|,"
_FEWEST_COLUMNS = 4  # a tick: stamp, bid, ask, volume
_SAMPLE, _SAMPLE_BYTES = 50, 1 << 20
_LONGEST_QUOTE = 120
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class TextTable:
    """What can be told of a text file before its rows are read."""

    source: SourceFile
    delimiter: str
    header: tuple[str, ...] | None
    """Column names as written, stripped; None where the first line has values."""
    sample: tuple[tuple[str, ...], ...]
    """Up to fifty first rows below the header, fields stripped."""
    decimal_comma: bool
    first_line: str

    @property
    def path(self) -> Path:
        """The file, as the user gave it."""
        return self.source.path

    @property
    def n_columns(self) -> int:
        """Columns of the first line."""
        return len(self.header) if self.header is not None else len(self.sample[0])

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in lower case; empty without a header."""
        return tuple(name.lower() for name in self.header or ())

    def column_matches(self, column: int, pattern: str) -> bool:
        """Whether `column` has the form `pattern`: it does in at least half of the sampled rows.

        The form of a column tells its vendor. The odd spoilt row does not, and is found with its line later.
        """
        if column >= self.n_columns:
            return False
        form = re.compile(pattern)
        whole = [row for row in self.sample if len(row) == self.n_columns]
        n_matching = sum(form.fullmatch(row[column]) is not None for row in whole)
        return 2 * n_matching >= len(whole) > 0

    def numeric(self, columns: Sequence[int]) -> bool:
        """Whether all of `columns` are numbers."""
        return all(self.column_matches(column, _NUMBER.pattern) for column in columns)


def lay_out(source: SourceFile) -> TextTable:
    """The table in `source`: tab, semicolon, bar or comma between fields, the first that parts the first line in four.

    Raises:
        DataError: the first line cannot be parted, or there are no rows.
    """
    parts = source.content[:_SAMPLE_BYTES].split(b"\n", _SAMPLE + 1)[: _SAMPLE + 1]
    lines = [line.decode("utf-8", errors="replace") for line in parts]
    first = lines[0].replace('"', "")
    delimiter = next((each for each in _DELIMITERS if first.count(each) >= _FEWEST_COLUMNS - 1), None)
    if delimiter is None:
        raise DataError(
            f"{source.path}: the first line is {quoted(lines[0])}: no four columns parted by tab, semicolon, bar or "
            "comma; export the bars as CSV"
        )
    rows = [_fields(line, delimiter) for line in lines]
    has_header = not any(_NUMBER.fullmatch(field) for field in rows[0])
    sample = tuple(rows[1:] if has_header else rows)
    if not sample:
        raise DataError(f"{source.path}: has a header and no rows; export it again with its bars")
    numbers = [field for field in sample[0] if _NUMBER.fullmatch(field)]
    decimal_comma = delimiter != "," and any("," in field for field in numbers)
    return TextTable(source, delimiter, rows[0] if has_header else None, sample, decimal_comma, lines[0])


def quoted(line: str) -> str:
    r"""A line of a file, as an error shows it: on one line, cut where it is long.

    >>> print(quoted("a\tb"))
    'a\tb'
    """
    return repr(line if len(line) <= _LONGEST_QUOTE else f"{line[:_LONGEST_QUOTE]}…")


class RowReader:
    """Columns of a table, and the rows that cannot be used.

    Args:
        table: the file.
        allowed_bad: how many rows may be left out before the file is refused.

    Raises:
        DataError: more lines than that have another number of fields than the first.
    """

    def __init__(self, table: TextTable, allowed_bad: int = 0) -> None:
        self.path = table.path
        self._table = table
        self._allowed = allowed_bad
        self._content = table.source.content.replace(b'"', b"")
        all_lines = np.arange(self._content.count(b"\n") + 1, dtype=np.int64)[table.header is not None :] + 1
        self._n_lines = all_lines.size
        ragged = _ragged(self._content, table.delimiter, table.n_columns)
        self._ragged = ragged[ragged >= all_lines[0]]
        if self._ragged.size > allowed_bad:
            line = int(self._ragged[0])
            found = self._line(line).count(table.delimiter) + 1 if self._line(line).strip() else 0
            raise self._refusal(self._ragged.size, line, f"{found} fields, expected {table.n_columns}")
        self.lines: IntArray = np.setdiff1d(all_lines, self._ragged) if self._ragged.size else all_lines
        """(n_rows,) line of the file on which each row stands, from 1."""
        if not self.lines.size:
            raise DataError(f"{self.path}: no row has {table.n_columns} fields; export it again")
        self._frame = self._parted(self._content)
        self._bad = np.zeros(self.lines.size, dtype=np.bool_)
        self._first_problem: list[tuple[int, str]] = []

    def texts(self, column: int) -> pl.Series:
        """(n_rows,) fields of `column` without blanks around them; null where empty."""
        return self._frame.to_series(column).str.strip_chars()

    def numbers(self, column: int, name: str, *, optional: bool = False) -> FloatArray:
        """(n_rows,) values of `column`; rows in which it is no finite number are rejected.

        Args:
            column: position, from 0.
            name: what the values are, for messages.
            optional: an empty field is NaN rather than a reason to reject.
        """
        texts = self.texts(column)
        if self._table.decimal_comma:
            texts = texts.str.replace(",", ".", literal=True)
        values = np.array(texts.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy(), dtype=np.float64)
        bad = ~np.isfinite(values)
        if optional:
            bad &= ~(texts.is_null() | (texts == "")).fill_null(True).to_numpy()
        self.reject(bad, f"{name} is no number")
        return values

    def reject(self, bad: BoolArray, problem: str) -> None:
        """Mark rows as unusable; `problem` is told of the first of them."""
        if bad.any():
            self._first_problem.append((int(np.argmax(bad)), problem))
            self._bad |= bad

    def kept(self) -> tuple[BoolArray, tuple[str, ...]]:
        """Which rows can be used, and a note on those that were left out.

        Raises:
            DataError: more rows are unusable than allowed, or all are; names the first with its line and text.
        """
        n_bad = int(self._bad.sum()) + self._ragged.size
        if not n_bad:
            return ~self._bad, ()
        row, problem = min(self._first_problem, key=lambda found: found[0], default=(-1, ""))
        line = int(self.lines[row]) if row >= 0 else int(self._ragged[0])
        if n_bad > self._allowed or self._bad.all():
            raise self._refusal(n_bad, line, problem)
        return ~self._bad, (f"{n_bad} unusable rows left out, the first on line {line}: {quoted(self._line(line))}",)

    def rows_on(self, lines: IntArray) -> IntArray:
        """(n,) positions, among all rows, of those that stand on `lines`; ascending."""
        return np.searchsorted(self.lines, lines)

    def _refusal(self, n_bad: int, line: int, problem: str) -> DataError:
        more = f" ({n_bad} such rows)" if n_bad > 1 else ""
        remedy = f", or leave such rows out with --skip-bad-rows {n_bad}"
        if n_bad >= self._n_lines:
            more, remedy = " (as all rows are)", ", or state what its columns are"
        return DataError(
            f"{self.path}: line {line}: {problem}: {quoted(self._line(line))}{more}; nothing was imported: correct the "
            f"file{remedy}"
        )

    def _line(self, number: int) -> str:
        start = 0
        for _ in range(number - 1):
            start = self._content.index(b"\n", start) + 1
        end = self._content.find(b"\n", start)
        return self._content[start : end if end >= 0 else None][:400].decode("utf-8", errors="replace")

    def _parted(self, content: bytes) -> pl.DataFrame:
        n_skipped = 1 if self._table.header is not None else 0
        if self._ragged.size:
            dropped = set((self._ragged - 1).tolist())
            content = b"\n".join(line for i, line in enumerate(content.split(b"\n")) if i not in dropped)
        schema = dict.fromkeys((f"{i}" for i in range(self._table.n_columns)), pl.String())
        try:
            frame = pl.read_csv(
                io.BytesIO(content),
                has_header=False,
                skip_lines=n_skipped,
                schema=schema,
                separator=self._table.delimiter,
                quote_char=None,
                truncate_ragged_lines=True,
            )
        except pl.exceptions.PolarsError as error:
            raise DataError(
                f"{self.path}: cannot be parted into columns ({str(error).splitlines()[0]}); export it again as CSV"
            ) from error
        if frame.height != self.lines.size:
            raise DataError(f"{self.path}: {self.lines.size} lines gave {frame.height} rows; export it again as CSV")
        return frame


def _fields(line: str, delimiter: str) -> tuple[str, ...]:
    return tuple(field.strip() for field in line.replace('"', "").split(delimiter))


def _ragged(content: bytes, delimiter: str, n_columns: int) -> IntArray:
    """Lines, from 1, that do not have `n_columns` fields."""
    letters = np.frombuffer(content, dtype=np.uint8)
    ends = np.append(np.flatnonzero(letters == ord("\n")), letters.size)
    marks = np.flatnonzero(letters == ord(delimiter))
    n_marks = np.diff(np.searchsorted(marks, ends), prepend=0)
    found: IntArray = np.flatnonzero(n_marks != n_columns - 1) + 1
    return found
