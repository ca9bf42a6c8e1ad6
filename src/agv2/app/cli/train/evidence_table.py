"""The evidence on an encoder as tables in the terminal."""

import rich.box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agv2.app.encoder_page.words import (
    HEAD_WORDS,
    PROBE_WORDS,
    headline,
    interval_text,
    measures_text,
    of_baseline,
)
from agv2.app.encoder_report import EncoderReport, best_baseline
from agv2.models.evidence.findings import Finding, HeadEvidence

__all__ = ["print_evidence"]

_STYLES: dict[Finding, str] = {"better": "bold green", "draw": "", "worse": "bold red"}
_WIDTH = 240  # where no terminal says how wide it is: one line a row


def print_evidence(report: EncoderReport) -> None:
    """A row for each head on each symbol against its best baseline, and what else was measured; standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    console.print(_heads(report))
    if report.probes:
        console.print(_probes(report))
    if report.ablation:
        console.print(_ablation(report))
    console.print(Text(f"{headline(report)}.", "bold"), soft_wrap=True)


def _heads(report: EncoderReport) -> Table:
    table = _table("Heads against their best baseline, on bars held out", "head", "symbol", "ahead")
    for name in ("loss", "baseline's"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("best baseline", "difference", "95 % interval", "finding", "others", "also"):
        table.add_column(name)
    for each in report.heads:
        best = best_baseline(each)
        ahead = "" if each.horizon is None else str(each.horizon)
        row = [HEAD_WORDS[each.head][0], each.symbol, ahead, f"{each.loss:.4f}"]
        if best is None:
            table.add_row(*row, "", "none", "", "", "", "", measures_text(each))
            continue
        table.add_row(
            *row,
            f"{best.loss:.4f}",
            best.baseline,
            of_baseline(best.difference.mean, best.loss),
            interval_text(best.difference, best.loss),
            Text(best.finding, _STYLES[best.finding]),
            _others(each, best.baseline),
            measures_text(each),
        )
    return table


def _others(evidence: HeadEvidence, best: str) -> str:
    """The other baselines by what was found against them."""
    by_word: dict[Finding, list[str]] = {}
    for one in evidence.comparisons:
        if one.baseline != best:
            by_word.setdefault(one.finding, []).append(one.baseline)
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in by_word.items())


def _probes(report: EncoderReport) -> Table:
    table = _table("A straight line on the embedding against one on the features", "asked for", "symbol", "reading")
    for name in ("loss", "on features", "on nothing"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("difference", "95 % interval", "finding"):
        table.add_column(name)
    for each in report.probes:
        table.add_row(
            PROBE_WORDS[each.target],
            each.symbol,
            "embedding and features" if each.inputs == "both" else each.inputs,
            *(f"{loss:.4f}" for loss in (each.loss, each.features_loss, each.constant_loss)),
            of_baseline(each.difference.mean, each.features_loss),
            interval_text(each.difference, each.features_loss),
            Text(each.finding, _STYLES[each.finding]),
        )
    return table


def _ablation(report: EncoderReport) -> Table:
    table = _table("How much more the other heads lose without one of them", "without", "head")
    table.add_column("difference")
    table.add_column("95 % interval")
    for each in report.ablation:
        change = of_baseline(each.change.mean, each.loss), interval_text(each.change, each.loss)
        table.add_row(HEAD_WORDS[each.without][0], HEAD_WORDS[each.head][0], *change)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=rich.box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table
