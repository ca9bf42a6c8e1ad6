"""JSON as the venue writes it: whole ids, exact decimals, cells that are text or null."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from agv2.core.errors import FinalVenueError, RetryableVenueError

__all__ = ["LAST_MS", "Record", "list_of", "listed", "mapping_of", "parse_json", "records_of"]

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,60})?([eE][+-]?\d{1,2})?", re.ASCII)
_NS_PER_MS = 1_000_000
_SHOWN = 60
LAST_MS = 9_223_372_036_854
"""Milliseconds since 1970 from which on nanoseconds no longer fit 64 bits, in the year 2262."""

Cell = TypeVar("Cell")


def parse_json(content: bytes) -> Any:
    """Value of JSON text; numbers with a point become Decimal, whole ones `int` of any length.

    Raises:
        RetryableVenueError: it is no JSON. The content is not quoted: it may hold what must not be shown.
    """
    try:
        return json.loads(content.decode("utf-8-sig"), parse_float=_decimal, parse_int=_whole, parse_constant=_refuse)
    except (ValueError, RecursionError):
        length, content = len(content), b""  # a traceback that shows variables would quote it
    raise RetryableVenueError(f"the answer ({length} bytes) is not JSON")


def mapping_of(value: Any, where: str) -> Mapping[str, Any]:
    """`value`, which must be a JSON object.

    Raises:
        FinalVenueError: it is something else.
    """
    if not isinstance(value, dict):
        raise _unexpected(where, "an object", value)
    return value


def list_of(value: Any, where: str) -> list[Any]:
    """`value`, which must be a JSON array.

    Raises:
        FinalVenueError: it is something else.
    """
    if not isinstance(value, list):
        raise _unexpected(where, "a list", value)
    return value


@dataclass(frozen=True, slots=True)
class Record:
    """Named cells of one row or object. Text and numbers are taken for each other; null stays None.

    Every reader raises FinalVenueError when the cell is missing, null or no such thing; those called `…_or_none`
    only when it is no such thing.
    """

    values: Mapping[str, Any]
    where: str
    """What the record is, for errors."""

    def text(self, name: str) -> str:
        """Text, not empty, of characters that can be encoded."""
        return self._needed(name, self.text_or_none(name))

    def text_or_none(self, name: str) -> str | None:
        """Text, or None for null and the empty text."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
            raise self._wrong(name, "text", value)
        return str(value).encode("utf-8", "replace").decode()

    def id(self, name: str) -> str:
        """An id: digits kept as text, because they exceed what a float holds."""
        return self._needed(name, self.id_or_none(name))

    def id_or_none(self, name: str) -> str | None:
        """An id, or None for null, the empty text and 0, which no id is."""
        value = self.values.get(name)
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if value is None or (isinstance(value, str) and value in ("", "0")) or (is_whole and value == 0):
            return None
        if not (is_whole or isinstance(value, str)) or not _ID.fullmatch(str(value)):
            raise self._wrong(name, "an id", value)
        return str(value)

    def decimal(self, name: str) -> Decimal:
        """A finite number, exact."""
        return self._needed(name, self.decimal_or_none(name))

    def decimal_or_none(self, name: str) -> Decimal | None:
        """A finite number, exact, or None for null and the empty text."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)) or not _NUMBER.fullmatch(str(value)):
            raise self._wrong(name, "a number", value)
        return Decimal(str(value))

    def whole(self, name: str) -> int:
        """A whole number."""
        return self._needed(name, self.whole_or_none(name))

    def whole_or_none(self, name: str) -> int | None:
        """A whole number, or None for null and the empty text."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int)) or not _WHOLE.fullmatch(str(value)):
            raise self._wrong(name, "a whole number", value)
        return int(value)

    def flag(self, name: str) -> bool:
        """True or false, also as the text that rows hold: `"false"` is False."""
        value = self.values.get(name)
        word = value.lower() if isinstance(value, str) else value
        if word is True or word == "true":
            return True
        if word is False or word == "false":
            return False
        raise self._wrong(name, "true or false", value)

    def time_ns(self, name: str) -> int:
        """A moment, nanoseconds UTC."""
        return self._needed(name, self.time_ns_or_none(name))

    def time_ns_or_none(self, name: str) -> int | None:
        """A moment, nanoseconds UTC, or None for null and the empty text."""
        milliseconds = self.whole_or_none(name)
        if milliseconds is None:
            return None
        if not 0 <= milliseconds < LAST_MS:
            raise self._wrong(name, "milliseconds since 1970", milliseconds)
        return milliseconds * _NS_PER_MS

    def _needed(self, name: str, value: Cell | None) -> Cell:
        if value is None:
            raise FinalVenueError(f"{self.where}: {name} is {'null' if name in self.values else 'missing'}")
        return value

    def _wrong(self, name: str, wanted: str, value: Any) -> FinalVenueError:
        return _unexpected(f"{self.where}: {name}", wanted, value)


def listed(data: Any, name: str) -> list[Any]:
    """The list under `name` of an object.

    Raises:
        FinalVenueError: there is no object, or no list in it.
    """
    return list_of(mapping_of(data, name).get(name), name)


def records_of(values: Any, where: str) -> list[Record]:
    """The objects of a list; null is an empty one.

    Raises:
        FinalVenueError: there is no list, or something else in it.
    """
    return [Record(mapping_of(each, where), where) for each in list_of([] if values is None else values, where)]


def _unexpected(where: str, wanted: str, value: Any) -> FinalVenueError:
    kinds = {dict: "an object", list: "a list", type(None): "null"}
    shown = kinds.get(type(value)) or ascii(value if isinstance(value, (str, bool)) else str(value))
    return FinalVenueError(f"{where}: expected {wanted}, found {shown[:_SHOWN]}")


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not -100 < number.adjusted() < 100:
        raise ValueError("no number that a market has")
    return number


def _whole(text: str) -> int:
    if len(text) > _SHOWN:
        raise ValueError("no number that a market has")
    return int(text)


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")
