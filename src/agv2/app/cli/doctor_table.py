"""What the doctor found, for a terminal and for programs."""

import json
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

import rich.box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agv2.app.doctor.examination import Examined
from agv2.app.doctor.finding import Check, Status

__all__ = ["DoctorProgress", "plain_examination", "print_examination"]

_STYLES = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILED: "bold red", Status.ABSENT: "dim"}


class DoctorProgress:
    """Says what is being waited for and how long at most: a moving line on a terminal, one line elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._status = self._console.status("checking the machine and the settings")
        self._said: set[str] = set()

    def __enter__(self) -> "DoctorProgress":
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()

    def waiting(self, checks: Sequence[Check]) -> None:
        """Name the checks that have not answered yet."""
        names = ", ".join(f"{check.name} (at most {check.limit_s:g} s)" for check in checks)
        if self._console.is_terminal:
            self._status.update(f"waiting for {names}")
        elif not self._said.issuperset(check.name for check in checks):
            self._said.update(check.name for check in checks)
            self._console.print(f"checking {names}", highlight=False, markup=False, soft_wrap=True)


def print_examination(found: Sequence[Examined]) -> None:
    """Print a line a check, the remedy below it where there is one, and the sum."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)
    table = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False)
    for title in ("", "check", "state"):
        table.add_column(title, no_wrap=True)
    table.add_column("found", overflow="fold")
    group = ""
    for each in found:
        status, text = each.finding.status, Text(each.finding.detail)
        if each.finding.remedy:
            text.append(f"\n→ {each.finding.remedy}", style="italic")
        shown = "" if each.group == group else each.group
        table.add_row(Text(shown, style="bold"), Text(each.name), Text(status, style=_STYLES[status]), text)
        group = each.group
    console.print(table)
    counts = Counter(each.finding.status for each in found)
    console.print(", ".join(f"{counts[status]} {status}" for status in Status if counts[status]))


def plain_examination(found: Sequence[Examined]) -> str:
    """The same as JSON: `ok` is false where a check failed."""
    counts = Counter(each.finding.status for each in found)
    return json.dumps(
        {
            "ok": counts[Status.FAILED] == 0,
            "counts": {status: counts[status] for status in Status},
            "checks": [
                {
                    "group": each.group,
                    "name": each.name,
                    "status": each.finding.status,
                    "detail": each.finding.detail,
                    "remedy": each.finding.remedy or None,
                    "seconds": round(each.seconds, 3),
                }
                for each in found
            ],
        },
        ensure_ascii=False,
    )
