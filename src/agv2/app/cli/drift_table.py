"""A drift report for a terminal."""

import rich.box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agv2.app.drift_report import DriftReport
from agv2.data.parquet_columns import moment_text

__all__ = ["print_drift"]


def print_drift(report: DriftReport, top: int) -> None:
    """Print what the guard would have done, and the features that have strayed furthest.

    Args:
        report: of a file.
        top: features to show.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=100)
    span = f"{_day(report.first_ts_ns)} to {_day(report.last_ts_ns)}"
    console.print(
        Text(f"{report.symbol} {report.timeframe}: {len(report.rows):,} bars, {report.n_days} trading days, {span}"),
        soft_wrap=True,
    )
    table = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("feature")
    for title in ("PSI", "KL", "of its limit"):
        table.add_column(title, justify="right", no_wrap=True)
    for drift in report.drifts[:top]:
        style = "bold red" if drift.limit_share > 1.0 else ""
        cells = (
            drift.name,
            f"{drift.stability_index:.3f}",
            f"{drift.relative_entropy:.3f}",
            f"{drift.limit_share:.0%}",
        )
        table.add_row(*(Text(cell, style=style) for cell in cells))
    console.print(table)
    console.print(Text(_verdict(report)), soft_wrap=True)


def _verdict(report: DriftReport) -> str:
    alarms = f"one false alarm in {report.false_alarm_days:g} trading days is what the limits are set for"
    if not report.trips:
        return f"the guard would not have tripped; {alarms}"
    first, count = report.trips[0], len(report.trips)
    when = f"on {moment_text(first.ts_ns)[:16]} UTC by {first.column}"
    times = "once" if count == 1 else f"{count} times, re-armed after each, first"
    return f"the guard would have tripped {times} {when}; {alarms}"


def _day(ts_ns: int) -> str:
    return moment_text(ts_ns)[:10]
