"""Any other table, by a mapping of its columns: `--map ts=Time,open=O,high=H,low=L,close=C`."""

import re
from collections.abc import Mapping
from dataclasses import replace

from agv2.core.errors import ConfigError, DataError
from agv2.data.importers.clocks import UTC
from agv2.data.importers.stamp_text import layout_of_stamps, read_stamps
from agv2.data.importers.text_table import RowReader, TextTable, quoted
from agv2.data.importers.vendor_rows import ReadOptions, VendorFormat, VendorRows, priced_rows

__all__ = ["MAPPED_CSV", "parse_map", "suggested_map"]

_PRICES = ("open", "high", "low", "close")
_ROLES = ("ts", "date", "time", *_PRICES, "volume", "spread", "spread_points")
_WORDS = {
    "ts": r"ts|.*stamp.*|date ?/? ?time|.*_time|unix|<?dtyyyymmdd>?",
    "date": r"<?date>?|day|datum",
    "time": r"<?time>?|zeit|uhrzeit|hour",
    "open": r"<?o(pen)?>?|open.*|bid ?open|eröffnung.*|first",
    "high": r"<?h(igh)?>?|high.*|max.*|hoch.*|bid ?high",
    "low": r"<?l(ow)?>?|low.*|min.*|tief.*|bid ?low",
    "close": r"<?c(lose)?>?|close.*|last|bid ?close|schluss.*|price",
    "volume": r"<?v(ol(ume)?)?>?|.*volume.*|.*vol",
    "spread": r"spread",
}


def parse_map(text: str) -> tuple[tuple[str, str], ...]:
    """Roles and columns of a `--map` option.

    >>> parse_map("ts=Time,open=2,high=3,low=4,close=5")[:2]
    (('ts', 'Time'), ('open', '2'))

    Raises:
        ConfigError: a part is no `role=column`, or a role is unknown or stands twice.
    """
    pairs: list[tuple[str, str]] = []
    for part in text.split(","):
        role, equals, column = (each.strip() for each in part.partition("="))
        if not equals or not column or role not in _ROLES or role in dict(pairs):
            raise ConfigError(f"--map: {part!r} is no ROLE=COLUMN; roles, each once, are {', '.join(_ROLES)}")
        pairs.append((role, column))
    missing = [role for role in _PRICES if role not in dict(pairs)]
    if "ts" not in dict(pairs) and "date" not in dict(pairs):
        missing.insert(0, "ts (or date and time)")
    if missing:
        raise ConfigError(f"--map names no {', '.join(missing)}; write such as ts=Time,open=O,high=H,low=L,close=C")
    return tuple(pairs)


def suggested_map(table: TextTable) -> str:
    """A `--map` for this table, as far as its column names tell; what they do not is left to fill in."""
    pairs: dict[str, str] = {}
    for role, words in _WORDS.items():
        for i, name in enumerate(table.names):
            if re.fullmatch(words, name) and table.header is not None and table.header[i] not in pairs.values():
                pairs[role] = table.header[i]
                break
    if "ts" in pairs:
        pairs.pop("date", None)
        pairs.pop("time", None)
    elif "date" not in pairs:
        pairs = {"ts": pairs.pop("time", "…"), **pairs}
    for role in _PRICES:
        pairs.setdefault(role, "…")
    return ",".join(f"{role}={pairs[role]}" for role in _ROLES if role in pairs)


def _read(table: TextTable, options: ReadOptions) -> VendorRows:
    place = _places(table, dict(options.columns))
    reader = RowReader(table, options.allowed_bad)
    texts = reader.texts(place["ts"] if "ts" in place else place["date"])
    if "time" in place:
        texts = texts + " " + reader.texts(place["time"])
    layout = options.stamp_layout or layout_of_stamps(reader, texts)
    stamps = read_stamps(reader, texts, layout)
    spread = None
    for role, per_unit in (("spread", 1.0), ("spread_points", options.point)):
        if role in place:
            if per_unit is None:
                raise ConfigError("--map spread_points=… needs the price of a point: say it with --point")
            spread = reader.numbers(place[role], "spread", optional=True) * per_unit
    rows = priced_rows(
        reader, stamps, (place["open"], place["high"], place["low"], place["close"]), place.get("volume")
    )
    # An epoch is UTC unless stated otherwise: some platforms count it on their server's clock.
    states_offset = layout.is_utc and not layout.pattern.startswith("epoch")
    rows = replace(rows, stamps=None, clock=UTC if layout.is_utc else None, absolute=states_offset)
    return rows if spread is None else replace(rows, spread=spread[reader.rows_on(rows.lines)])


def _places(table: TextTable, columns: Mapping[str, str]) -> dict[str, int]:
    """Position of each role's column: by its name, else by its number from 1."""
    places = {}
    for role, column in columns.items():
        if table.header is not None and table.header.count(column) == 1:
            places[role] = table.header.index(column)
        elif column.isdecimal() and column.isascii() and 1 <= int(column[:9]) <= table.n_columns:
            places[role] = int(column) - 1
        else:
            found = ", ".join(table.header or ()) or f"{table.n_columns} without names; number them from 1"
            raise DataError(
                f"{table.path}: --map {role}={column}: there is no such column (found: {found}; first line: "
                f"{quoted(table.first_line)})"
            )
    return places


MAPPED_CSV = VendorFormat("csv", "CSV by --map", lambda _: False, _read)
"""Clock, stamp and side: stated, or found in the bars. Never recognised: it takes a mapping."""
