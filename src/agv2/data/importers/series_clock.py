"""The clock of a series settled: stated, fixed by the format, or found in the bars; and its readings as UTC opens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from agv2.core.arrays import IntArray
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe
from agv2.data.importers.clock_evidence import ClockFinding, StampSide, find_clock
from agv2.data.importers.clocks import CANDIDATES, Clock, to_utc
from agv2.data.importers.import_request import ImportRequest
from agv2.data.importers.series_join import DatedRows
from agv2.data.importers.vendor_rows import VendorRows

__all__ = ["SettledClock", "dated", "settle_clock"]

_MINUTE_NS = 60_000_000_000


@dataclass(frozen=True, slots=True)
class SettledClock:
    """Whose readings the stamps are, and of which end of a bar."""

    clock: Clock
    clock_basis: str
    stamps: StampSide
    stamps_basis: str
    finding: ClockFinding | None
    notes: tuple[str, ...]


def settle_clock(
    parts: Sequence[VendorRows],
    timeframe: Timeframe,
    request: ImportRequest,
    on_evidence: Callable[[ClockFinding], None],
) -> SettledClock:
    """The clock of files that are one series.

    Where clock and stamp are known, the bars are asked all the same: what they contradict gets a note.

    Args:
        parts: rows of one format.
        timeframe: length of a bar.
        request: what the user stated.
        on_evidence: told what the bars say before anything is refused for lack of it.

    Raises:
        DataError: files differ in their clocks, a stated clock contradicts stamps that carry their offset, or nothing
            states a clock or stamp that the bars do not show.
    """
    first = parts[0]
    for part in parts[1:]:
        if (part.clock, part.stamps, part.absolute) != (first.clock, first.stamps, first.absolute):
            raise DataError(f"{part.path}: its clock is not that of {first.path}; import them one by one")
    if request.clock is not None and first.absolute and request.clock.zone != "UTC":
        raise DataError(f"{first.path}: its stamps state their moments in UTC themselves; leave --timezone out")
    clock, stamps = request.clock or first.clock, request.stamps or first.stamps
    if first.ticks:
        stamps = "open"
    finding = _asked(parts, timeframe, clock, stamps)
    if finding.best is None and (clock is None or stamps is None):
        on_evidence(finding)
        remedies = [word for word, known in (("--timezone ZONE", clock), ("--stamps open|close", stamps)) if not known]
        raise DataError(
            f"{first.path}: the file does not say {'whose clock' if clock is None else 'which end of a bar'} its "
            f"stamps show, and the bars do not tell: {finding.reason}; say {' and '.join(remedies)}"
        )
    found = f"found in the bars, certainty {finding.sure}"
    notes = []
    if clock is not None and stamps is not None and not finding.allows(clock, stamps, first.stamp_ns):
        assert finding.best is not None
        notes.append(
            f"the bars look like stamps of {finding.best.clock.name}, bar {finding.best.stamps} ({finding.reason}): "
            f"check the clock {clock.name}, bar {stamps}"
        )
    return SettledClock(
        clock=clock or _best(finding)[0],
        clock_basis="stated" if request.clock else "fixed by the format" if clock else found,
        stamps=stamps or _best(finding)[1],
        stamps_basis="stated" if request.stamps else "fixed by the format" if stamps else found,
        finding=finding,
        notes=tuple(notes),
    )


def dated(part: VendorRows, settled: SettledClock, timeframe: Timeframe) -> tuple[DatedRows, int]:
    """Opens of a file's bars in UTC, and how many of its stamps lie in an hour that the clock showed twice.

    Raises:
        DataError: a stamp lies in an hour that the clock skipped, or before 1970.
    """
    utc = to_utc(part.stamp_ns, settled.clock)
    if utc.missing.any():
        row = int(np.argmax(utc.missing))
        shown = str(part.stamp_ns[row].astype("datetime64[ns]").astype("datetime64[s]")).replace("T", " ")
        raise DataError(
            f"{part.path}: line {part.lines[row]} is stamped {shown}, which {settled.clock.name} skipped when it went "
            f"to summer time ({int(utc.missing.sum())} such rows); check --timezone"
        )
    opens: IntArray = utc.ts_ns - (timeframe.nanoseconds if settled.stamps == "close" else 0)
    if (opens < 0).any():
        raise DataError(f"{part.path}: line {part.lines[int(np.argmin(opens))]} is before 1970; check the stamps")
    return DatedRows(part, opens), utc.n_ambiguous


def _asked(
    parts: Sequence[VendorRows], timeframe: Timeframe, clock: Clock | None, stamps: StampSide | None
) -> ClockFinding:
    """What the bars say of their clock; of its name only where it is not known."""
    every = np.concatenate([part.stamp_ns for part in parts])
    rows = np.argsort(every, kind="stable")
    rows = rows[np.diff(every[rows], prepend=-1) != 0]
    readings = every[rows]
    if parts[0].ticks:
        readings, rows = _first_of_minute(readings, rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_range = np.log(np.concatenate([part.high for part in parts]) / np.concatenate([part.low for part in parts]))
    known = clock is not None and stamps is None
    clocks = (clock,) if known and clock is not None else CANDIDATES
    sides: tuple[StampSide, ...] = ("open", "close") if stamps is None else (stamps,)
    return find_clock(readings, log_range[rows], timeframe, clocks, sides)


def _first_of_minute(readings: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    minutes = readings // _MINUTE_NS
    firsts = np.flatnonzero(np.diff(minutes, prepend=-1))
    return minutes[firsts] * _MINUTE_NS, rows[firsts]


def _best(finding: ClockFinding) -> tuple[Clock, StampSide]:
    assert finding.best is not None
    return finding.best.clock, finding.best.stamps
