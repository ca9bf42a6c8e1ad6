"""A quality report for a terminal, and for a program."""

from typing import Any

import rich.box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agv2.data.parquet_columns import moment_text
from agv2.data.quality.findings import Finding, Severity
from agv2.data.quality_checks import QualityReport

__all__ = ["as_document", "print_report"]

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "dim"}
_NARROWEST = 72  # columns; below that a table would be all wrapping


def as_document(name: str, report: QualityReport) -> dict[str, Any]:
    """The report as plain values, stamps in ISO 8601."""
    bars = report.bars
    return {
        "file": name,
        "symbol": report.symbol,
        "timeframe": None if bars is None else bars.timeframe.name,
        "rows": report.n_rows,
        "bars": 0 if bars is None else len(bars),
        "first": None if bars is None else _iso(int(bars.ts_ns[0])),
        "last": None if bars is None else _iso(int(bars.ts_ns[-1])),
        "sessions": None if report.sessions is None else report.sessions.name,
        "errors": len(report.of(Severity.ERROR)),
        "warnings": len(report.of(Severity.WARNING)),
        "findings": [_plain(each) for each in report.findings],
    }


def print_report(name: str, report: QualityReport) -> None:
    """Print a table of the findings, errors first."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=140)
    counts = [f"{len(report.of(severity))} {severity.value}" for severity in (Severity.ERROR, Severity.WARNING)]
    bars = report.bars
    span = ""
    if bars is not None:
        span = (
            f"{len(bars):,} bars of {bars.timeframe.name}, {moment_text(int(bars.ts_ns[0]))[:16]} to "
            f"{moment_text(int(bars.ts_ns[-1]))[:16]} UTC: "
        )
    console.print(Text(f"{name}: {span}{', '.join(counts)}", style="bold"), soft_wrap=True)
    if not report.findings:
        return
    table = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column("severity", no_wrap=True)
    table.add_column("what", min_width=14)
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    if console.width >= _NARROWEST:
        table.add_column("worst places")
        table.add_column("what it would do, and the remedy")
    for each in report.findings:
        cells = [
            Text(each.severity.value, style=_STYLES[each.severity]),
            Text(each.title),
            Text(f"{each.count:,} {each.unit}"),
            Text(_share(each)),
        ]
        if console.width >= _NARROWEST:
            cells += [Text(_places(each)), Text(f"{each.effect} {each.remedy}", style="dim")]
        table.add_row(*cells)
    console.print(table)


def _places(each: Finding) -> str:
    shown = [
        moment_text(place.ts_ns)[:16]
        + (f" row {place.row}" if place.row is not None else "")
        + (f": {place.value}" if place.value else "")
        for place in each.places[:2]
    ]
    if each.evidence and not (shown and each.evidence in shown[0]):
        shown = [each.evidence, *shown[:1]]
    return "\n".join(shown)


def _share(each: Finding) -> str:
    return "" if each.unit in ("file", "checks") else f"{100 * each.share:.2g} %" if each.share < 0.995 else "100 %"


def _plain(each: Finding) -> dict[str, Any]:
    return {
        "id": each.id,
        "severity": each.severity.value,
        "title": each.title,
        "count": each.count,
        "unit": each.unit,
        "share": each.share,
        "evidence": each.evidence,
        "places": [{"ts": _iso(place.ts_ns), "row": place.row, "value": place.value} for place in each.places],
        "effect": each.effect,
        "remedy": each.remedy,
    }


def _iso(ts_ns: int) -> str:
    return moment_text(ts_ns).removesuffix(" UTC").replace(" ", "T") + "+00:00"
