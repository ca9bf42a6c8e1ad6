"""Vendors' files made into one series of bars: read, recognised, dated, joined."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from agv2.core.arrays import IntArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe
from agv2.data.importers.clock_evidence import ClockFinding
from agv2.data.importers.formats import read_vendor_rows
from agv2.data.importers.import_request import ImportedFile, ImportedSeries, ImportRequest
from agv2.data.importers.series_clock import dated, settle_clock
from agv2.data.importers.series_join import DatedRows, JoinedRows, join_rows, minute_bars, with_ask
from agv2.data.importers.source_file import open_source
from agv2.data.importers.vendor_rows import VendorFormat, VendorRows

__all__ = ["import_bars"]

_MINUTE_NS = 60_000_000_000
_RESERVED_SYMBOL = "ACCOUNT"  # names the sum of all books in a run's equity table


def import_bars(
    request: ImportRequest,
    on_step: Callable[[str], None] = lambda _: None,
    on_evidence: Callable[[ClockFinding], None] = lambda _: None,
) -> ImportedSeries:
    """Bars of one symbol out of one or more files of one format.

    Nothing is guessed: format, clock, stamp, side, symbol and the order of day and month are told by the content,
    fixed by the format or stated in the request; else one line says what to state.

    Args:
        request: the files and what is known of them.
        on_step: told what is being done, as a phrase.
        on_evidence: told what the bars say of their clock, before they are refused for not saying enough.

    Returns:
        Bars in UTC by their opens, prices finite and above zero, the close inside the range; a spread may be negative.

    Raises:
        DataError: a file cannot be used, or something must be stated; names file, line and remedy.
        ConfigError: what was stated cannot be.
    """
    vendor, parts, notes = _read(request, on_step)
    symbol = _symbol(request, parts)
    on_step("settling clock, overlaps and order")
    parts = [_oldest_first(part) for part in parts]
    path = parts[0].path
    readings = np.sort(np.concatenate([part.stamp_ns for part in parts]))
    readings = readings[np.diff(readings, prepend=-1) != 0]  # many times faster than np.unique on what is sorted
    timeframe = Timeframe(1) if parts[0].ticks else _timeframe(path, readings, request, parts)
    if parts[0].ticks and request.timeframe not in (None, timeframe):
        raise DataError(f"{path}: ticks become bars of 1m; leave --timeframe out, longer bars are made of those")
    settled = settle_clock(parts, timeframe, request, on_evidence)
    dated_parts = [dated(part, settled, timeframe) for part in parts]
    joined, side, join_notes = _joined([part for part, _ in dated_parts], vendor, request)
    _require_steps(path, joined.ts_ns, timeframe)
    columns = [np.ascontiguousarray(column) for column in joined.values.T]
    bars = Bars(symbol, timeframe, joined.ts_ns, *columns)
    for part in parts:
        notes.extend(note if len(parts) == 1 else f"{part.path.name}: {note}" for note in part.notes)
    if side is None:
        notes.append("nothing says which side the prices are (bid, ask, mid, trade): --price-side does")
    return ImportedSeries(
        bars=bars,
        price_side=side,
        format=vendor,
        files=tuple(ImportedFile(part.path, part.stamp_ns.size, part.price_side) for part in parts),
        clock=settled.clock,
        clock_basis=settled.clock_basis,
        stamps=settled.stamps,
        stamps_basis=settled.stamps_basis,
        finding=settled.finding,
        n_repeated=joined.n_repeated,
        n_settled=joined.n_settled,
        n_falling=joined.n_falling,
        n_ambiguous=sum(n_ambiguous for _, n_ambiguous in dated_parts),
        notes=tuple(dict.fromkeys((*notes, *join_notes, *settled.notes))),
    )


def _read(request: ImportRequest, on_step: Callable[[str], None]) -> tuple[VendorFormat, list[VendorRows], list[str]]:
    """Every file's rows, all of one format."""
    found: list[tuple[VendorFormat, VendorRows]] = []
    notes: list[str] = []
    for i, path in enumerate(request.paths):
        if path.resolve() in [other.resolve() for other in request.paths[:i]]:
            raise DataError(f"{path}: given twice; give every file once")
        on_step(f"reading {path.name} ({i + 1} of {len(request.paths)})")
        source = open_source(path)
        notes.extend(source.notes)
        found.append(read_vendor_rows(source, request.format, request.options))
        if found[i][0] != found[0][0]:
            raise DataError(
                f"{path}: in the format {found[i][0].name}, but {request.paths[0]} is {found[0][0].name}; files "
                "imported together are one series of one format"
            )
    return found[0][0], [rows for _, rows in found], notes


def _symbol(request: ImportRequest, parts: Sequence[VendorRows]) -> str:
    path = parts[0].path
    names = dict.fromkeys(part.symbol for part in parts)
    if request.symbol is None and (len(names) > 1 or None in names):
        found = ", ".join(name or "none" for name in names)
        raise DataError(f"{path}: the file names do not tell one symbol ({found}); name it with --symbol")
    symbol = request.symbol if request.symbol is not None else next(iter(names)) or ""
    if symbol == _RESERVED_SYMBOL or not symbol.strip() or re.search(r"[/\\]", symbol) or not symbol.isprintable():
        raise DataError(f"{path}: {symbol!r} cannot be a symbol; choose another with --symbol, without slashes")
    return symbol


def _oldest_first(rows: VendorRows) -> VendorRows:
    """Rows of a file that is written newest first, turned round."""
    steps = np.diff(rows.stamp_ns)
    if not (steps < 0).any() or (steps > 0).any():
        return rows
    turned = {
        name: getattr(rows, name)[::-1]
        for name in ("lines", "stamp_ns", "open", "high", "low", "close", "volume", "spread")
    }
    return replace(rows, **turned, notes=(*rows.notes, "rows are newest first: turned round"))


def _timeframe(path: object, readings: IntArray, request: ImportRequest, parts: Sequence[VendorRows]) -> Timeframe:
    """Length of the bars: stated, in the rows, or the commonest step, the shorter of two that are equally common."""
    steps = np.diff(readings)
    stated = request.timeframe or next((Timeframe(part.minutes) for part in parts if part.minutes), None)
    if not steps.size:
        if stated is None:
            raise DataError(f"{path}: one bar only, so its timeframe cannot be told; say --timeframe")
        return stated
    lengths, counts = np.unique(steps, return_counts=True)
    commonest = int(lengths[np.argmax(counts)])
    if stated is not None:
        if commonest != stated.nanoseconds and (commonest % stated.nanoseconds or stated.nanoseconds not in lengths):
            raise DataError(
                f"{path}: bars are mostly {commonest / _MINUTE_NS:g} minutes apart, expected {stated.name}; check "
                "--timeframe, and that the files are of one timeframe"
            )
        return stated
    if commonest % _MINUTE_NS:
        raise DataError(
            f"{path}: bars are mostly {commonest / 1e9:g} s apart, expected whole minutes; export bars of 1m or more"
        )
    return Timeframe(commonest // _MINUTE_NS)


def _require_steps(path: object, ts_ns: IntArray, timeframe: Timeframe) -> None:
    """Refuse bars of mixed lengths, as every reader of bars does."""
    early = 2 * np.diff(ts_ns) < timeframe.nanoseconds
    if early.any():
        moment = str(ts_ns[int(np.argmax(early)) + 1].astype("datetime64[ns]").astype("datetime64[s]"))
        raise DataError(
            f"{path}: {int(early.sum())} bars open before the {timeframe.name} bar before them has closed, the first "
            f"at {moment.replace('T', ' ')} UTC; import one timeframe at a time"
        )


def _joined(
    parts: Sequence[DatedRows], vendor: VendorFormat, request: ImportRequest
) -> tuple[JoinedRows, str | None, tuple[str, ...]]:
    """One series, the side of its prices, and what was noticed."""
    if parts[0].rows.ticks:
        return minute_bars(parts), "bid", ()
    path = parts[0].rows.path
    sides = [request.price_side or part.rows.price_side for part in parts]
    if vendor.one_sided and None in sides:
        raise DataError(
            f"{parts[sides.index(None)].rows.path}: {vendor.title} are of one side, and the name says neither bid nor "
            "ask; say --price-side, or name a pair of files …bid… and …ask…"
        )
    if set(sides) == {"bid", "ask"}:
        bid, ask = (
            join_rows([part for part, side in zip(parts, sides, strict=True) if side == wanted], request.prefer)
            for wanted in ("bid", "ask")
        )
        joined, notes = with_ask(bid, ask)
        return joined, "bid", notes
    if len(set(sides)) > 1:
        found = ", ".join(str(side or "not stated") for side in sides)
        raise DataError(f"{path}: the files' prices are of different sides ({found}); import them one by one")
    return join_rows(parts, request.prefer), sides[0], ()
