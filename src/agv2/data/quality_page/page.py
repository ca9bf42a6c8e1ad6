"""The quality reports of some files as one HTML page."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from agv2.data.parquet_columns import moment_text
from agv2.data.quality.findings import Severity
from agv2.data.quality_checks import QualityReport
from agv2.data.quality_page.drawings import activity_week, coverage_years, price_line

__all__ = ["quality_page"]


def quality_page(reports: Sequence[tuple[str, QualityReport]]) -> str:
    """One HTML document that needs nothing but itself; the same reports give the same text.

    Args:
        reports: what was checked (a file or a stored series, as the user named it) and its report.
    """
    environment = Environment(
        loader=PackageLoader("agv2.data.quality_page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = moment_text
    style = (files("agv2.data.quality_page") / "templates" / "quality.css").read_text(encoding="utf-8")
    return environment.get_template("quality.html.jinja").render(
        style=style, sections=[_section(name, report) for name, report in reports]
    )


def _section(name: str, report: QualityReport) -> dict[str, Any]:
    bars = report.bars
    errors, warnings = (len(report.of(severity)) for severity in (Severity.ERROR, Severity.WARNING))
    drawn = bars is not None and report.sessions is not None and len(bars) > 1
    return {
        "name": name,
        "symbol": report.symbol,
        "facts": _facts(report),
        "verdict": _verdict(errors, warnings),
        "tone": "error" if errors else "warning" if warnings else "good",
        "findings": report.findings,
        "sessions": next((each.evidence for each in report.findings if each.id == "sessions"), ""),
        "years": coverage_years(bars, report.sessions) if drawn and bars and report.sessions else [],
        "price": price_line(report, bars) if drawn and bars else None,
        "activity": activity_week(bars) if drawn and bars else [],
    }


def _facts(report: QualityReport) -> str:
    bars = report.bars
    if bars is None:
        return f"{report.n_rows:,} rows" if report.n_rows else "nothing could be read"
    first, last = moment_text(int(bars.ts_ns[0]))[:16], moment_text(int(bars.ts_ns[-1]))[:16]
    return f"{report.n_rows:,} rows · {len(bars):,} bars of {bars.timeframe.name} · {first} to {last} UTC"


def _verdict(errors: int, warnings: int) -> str:
    if errors:
        return f"{errors} kind{'s' * (errors > 1)} of error: a run refuses these bars"
    if warnings:
        return f"No error, {warnings} kind{'s' * (warnings > 1)} of warning: a run takes these bars"
    return "Nothing wrong was found"
