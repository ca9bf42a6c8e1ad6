"""What a user asks to import, and what was found."""

from dataclasses import dataclass
from pathlib import Path

from agv2.core.bars import Bars
from agv2.core.timeframes import Timeframe
from agv2.data.importers.clock_evidence import ClockFinding, StampSide
from agv2.data.importers.clocks import Clock
from agv2.data.importers.series_join import Prefer
from agv2.data.importers.vendor_rows import PriceSide, ReadOptions, VendorFormat

__all__ = ["ImportRequest", "ImportedFile", "ImportedSeries"]

_NOTHING_STATED = ReadOptions()


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """Files that are one series, and what is known of them beside their content."""

    paths: tuple[Path, ...]
    symbol: str | None = None
    """None: from the names of the files."""
    timeframe: Timeframe | None = None
    """None: the commonest step between stamps."""
    clock: Clock | None = None
    """None: as the format says, else found in the bars."""
    stamps: StampSide | None = None
    price_side: PriceSide | None = None
    format: VendorFormat | None = None
    """None: told from the content."""
    prefer: Prefer | None = None
    options: ReadOptions = _NOTHING_STATED


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """One of the files."""

    path: Path
    rows: int
    price_side: str | None


@dataclass(frozen=True, slots=True)
class ImportedSeries:
    """Bars in UTC by their opens, and all that was decided on the way."""

    bars: Bars
    price_side: str | None
    """None: nothing says."""
    format: VendorFormat
    files: tuple[ImportedFile, ...]
    clock: Clock
    clock_basis: str
    """stated, fixed by the format, or found in the bars with what certainty."""
    stamps: StampSide
    stamps_basis: str
    finding: ClockFinding | None
    """The evidence, where the bars were asked; None: they were not."""
    n_repeated: int
    n_settled: int
    n_falling: int
    n_ambiguous: int
    """Stamps in an hour that the clock showed twice."""
    notes: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(file.rows for file in self.files)
