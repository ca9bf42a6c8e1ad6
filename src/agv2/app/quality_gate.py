"""No run starts on bars that would make it lie, unless its user says so aloud."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agv2.app.settings import Settings
from agv2.core.errors import DataError
from agv2.data.bars_file import LoadedBars, RawFile, read_portfolio, usable_bars
from agv2.data.quality.findings import Finding, Severity
from agv2.data.quality_checks import QualityReport, check_bars

__all__ = ["ACCEPTED", "AdmittedBars", "admit_files"]

ACCEPTED = "DEFECTS ACCEPTED"
"""First words of each note on a defect that the user accepted."""


@dataclass(frozen=True, slots=True)
class AdmittedBars:
    """Bars of one file that a run may use."""

    loaded: LoadedBars
    accepted: tuple[str, ...]
    """One sentence a defect that would have stopped the run; empty where none did."""
    warnings: str
    """What else the checks found, in one line; empty for nothing."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results must know, the accepted defects first."""
        loud = [f"{ACCEPTED}: {text}" for text in self.accepted]
        return (*loud, *self.loaded.notes, *([self.warnings] if self.warnings else []))


def admit_files(
    paths: Sequence[Path], symbols: Sequence[str], settings: Settings, accept_defects: bool = False
) -> list[AdmittedBars]:
    """Bars of files that are traded together, each checked; in the order given.

    Args:
        paths: Parquet files, one a symbol.
        symbols: names for them, or none to take them from the file names.
        settings: markets and thresholds.
        accept_defects: use files with errors wherever that is possible: rows that are no bars are left out, the
            first of contradicting rows is kept, everything else stays as it is.

    Raises:
        DataError: a file cannot be read, has errors that were not accepted, or does not fit the others.
    """
    judged: list[tuple[tuple[Finding, ...], QualityReport]] = []

    def admit(file: RawFile) -> LoadedBars:
        market, _ = settings.markets.entry(file.raw.symbol)
        report = check_bars(file.raw, market, settings.quality)
        errors = report.of(Severity.ERROR)
        judged.append((errors, report))
        unreadable = next((each for each in errors if each.id == "unreadable"), None)
        if unreadable is not None:
            raise DataError(f"{file.path}: {unreadable.evidence}")
        if errors and not accept_defects:
            raise DataError(_refusal(file.path, errors))
        return usable_bars(file)

    loaded = read_portfolio(paths, symbols, admit)
    return [
        AdmittedBars(bars, tuple(_sentence(each) for each in errors), _warnings(path, report))
        for path, bars, (errors, report) in zip(paths, loaded, judged, strict=True)
    ]


def _refusal(path: Path, errors: Sequence[Finding]) -> str:
    worst = errors[0]
    others = f", and {len(errors) - 1} more kinds of error" if len(errors) > 1 else ""
    return (
        f"{path}: {_sentence(worst)}{others}; see them with `agv2 data check {path}`, cure what can be cured with its "
        "--repair OUT.parquet, or run on these bars as they are with --accept-defects"
    )


def _sentence(each: Finding) -> str:
    where = each.evidence or (each.places[0].value if each.places else "")
    row = each.places[0].row if each.places and not each.evidence else None
    at = f"row {row}: " if row is not None and where else ""
    return f"{each.title.lower()}, {each.count:,} {each.unit}" + (f" ({at}{where})" if where else "")


def _warnings(path: Path, report: QualityReport) -> str:
    warnings = report.of(Severity.WARNING)
    if not warnings:
        return ""
    counted = ", ".join(f"{each.title.lower()} {each.count:,}" for each in warnings)
    return f"bars: {counted}; `agv2 data check {path.name}` tells where"
