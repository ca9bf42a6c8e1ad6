"""What the go-live gate found, for a terminal and for programs."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rich.box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agv2.app.golive.examination import GateVerdict
from agv2.deploy.audit_chain import AuditRecord

__all__ = ["looking", "print_verdict", "verdict_json"]


@contextmanager
def looking() -> Iterator[Callable[[str], None]]:
    """Says on a terminal what is looked at while the block lasts."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda what: None
        return
    with console.status("looking") as status:
        yield lambda what: status.update(f"looking at {what}")


def print_verdict(verdict: GateVerdict, record: AuditRecord | None = None, *, stderr: bool = False) -> None:
    """Print a line a requirement, the remedy below it where there is one, and the sum.

    Args:
        verdict: what was found.
        record: of it in the log of verdicts; None: it was not written down.
        stderr: print beside the output.
    """
    console = Console(highlight=False, stderr=stderr)
    if not console.is_terminal:
        console = Console(highlight=False, stderr=stderr, width=120)
    table = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False)
    for title in ("requirement", "state"):
        table.add_column(title, no_wrap=True)
    table.add_column("found", overflow="fold")
    for each in verdict.requirements:
        text = Text(each.evidence)
        if each.remedy:
            text.append(f"\n→ {each.remedy}", style="italic")
        state = Text("shown", style="green") if each.is_met else Text("missing", style="bold red")
        table.add_row(Text(each.name), state, text)
    console.print(table)
    n_met = len(verdict.requirements) - len(verdict.missing)
    console.print(
        f"{n_met} of {len(verdict.requirements)} shown for {verdict.symbol or 'the bundle'}, journal {verdict.journal}",
        markup=False, soft_wrap=True,
    )  # fmt: skip
    if record is not None:
        console.print(f"kept as record {record.number} of the log go-live (agv2 audit verify --account go-live)")


def verdict_json(verdict: GateVerdict, record: AuditRecord) -> str:
    """The same as JSON."""
    return json.dumps(
        {
            "ok": verdict.is_passed,
            "missing": list(verdict.missing),
            "model": verdict.bundle,
            "symbol": verdict.symbol,
            "journal": verdict.journal,
            "at_ns": verdict.at_ns,
            "record": str(record.head),
            "asked": verdict.asked,
            "requirements": [
                {"name": each.name, "met": each.is_met, "evidence": each.evidence, "remedy": each.remedy or None}
                for each in verdict.requirements
            ],
        },
        ensure_ascii=False,
    )
