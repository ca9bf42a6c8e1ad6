"""What the run's entries came from, as rows of the report."""

import math
from dataclasses import dataclass

from agv2.backtest.report.numerals import Unit, format_number
from agv2.backtest.report.reading import RunRecord
from agv2.backtest.saliency_summary import summarise_saliency

__all__ = ["EntrySources", "entry_sources"]


@dataclass(frozen=True, slots=True)
class EntrySources:
    """Rows of name, part of all shares, the same in per cent of a bar, mean fall when erased; and two sentences."""

    rows: tuple[tuple[str, str, float, str], ...]
    sentence: str
    check: str


def entry_sources(record: RunRecord) -> EntrySources | None:
    """What is stored of the entries, all together; None where nothing is."""
    found = None if record.saliency is None else summarise_saliency(record.saliency)
    if found is None:
        return None
    largest = max(found.shares.values()) or 1.0
    rows = [
        (name, format_number(share, Unit.PERCENT), 100.0 * share / largest,
         f"{found.erased[name]:+.3f}".replace("-", "\u2212"))
        for name, share in sorted(found.shares.items(), key=lambda item: -item[1])
    ]  # fmt: skip
    agreement = f"{found.agreement:+.2f}".replace("-", "\u2212") if math.isfinite(found.agreement) else "undefined"
    return EntrySources(
        rows=tuple(rows),
        sentence=f"Means over {found.n_entries:,} entries. {format_number(found.last_bar, Unit.PERCENT)} of the "
        "shares lie on the bar of the decision itself, whose features look further back.",
        check=f"Gradients and erasure order these groups alike with a rank correlation of {agreement} (mean); "
        f"the shares of an entry miss {format_number(found.gap, Unit.PERCENT)} of what they should sum to.",
    )
