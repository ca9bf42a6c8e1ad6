"""What `agv2 data import` says of the bars it found: as text, and as JSON."""

import numpy as np

from agv2.data.importers.clock_evidence import ClockFinding
from agv2.data.importers.import_request import ImportedSeries
from agv2.data.parquet_columns import moment_text

__all__ = ["as_dict", "as_text", "evidence_lines"]

_SHOWN_CLOCKS = 5


def evidence_lines(finding: ClockFinding) -> list[str]:
    """The clocks that came nearest, one a line, the chosen one starred."""
    scores = finding.scores[:_SHOWN_CLOCKS]
    if not scores:
        return [f"evidence    none: {finding.reason}"]
    width = max(len(score.clock.name) for score in scores)
    lines = [f"  {'clock':<{width}}  stamp  weeks or sessions that fit"]
    lines += [
        f"{'*' if score is finding.best else ' '} {score.clock.name:<{width}}  {score.stamps:<5}  "
        f"{score.share:>4.0%}  {score.why}"
        for score in scores
    ]
    return lines


def as_text(found: ImportedSeries, stored: dict[str, object], seconds: float) -> str:
    """What a person reads; `stored` says where the bars went."""
    facts = as_dict(found, stored, seconds)
    bars = found.bars
    same = f"; the same stamps by {', '.join(found.finding.same)}" if found.finding and found.finding.same else ""
    lines = [
        f"{bars.symbol} {bars.timeframe.name}: {len(bars):,} bars, {facts['first']} to {facts['last']} UTC",
        f"format      {found.format.title}, {len(found.files)} file(s), {found.rows:,} rows in {seconds:.1f} s",
        f"clock       {found.clock.name} ({found.clock_basis}{same if 'found' in found.clock_basis else ''})",
        f"stamps      bar {found.stamps} ({found.stamps_basis})",
        f"prices      {found.price_side or 'side not stated'}; {facts['spreads']}; {facts['volumes']}",
    ]
    if found.finding is not None and "found" in f"{found.clock_basis} {found.stamps_basis}":
        lines += ["evidence", *evidence_lines(found.finding)]
        if found.finding.best is not None:
            lines.append(f"  decided by: {found.finding.reason}")
    counts = (
        (found.n_repeated, "rows repeated another: dropped"),
        (found.n_settled, "stamps carried different bars: one of each kept"),
        (found.n_falling, "rows were earlier than the row before them: sorted"),
        (found.n_ambiguous, "stamps lie in an hour that the clock showed twice: settled by the order of the rows"),
    )
    lines += [f"note        {number:,} {text}" for number, text in counts if number]
    lines += [f"note        {note}" for note in found.notes]
    if "out" in stored:
        lines.append(f"written     {stored['out']}")
    else:
        lines.append(
            f"stored      {stored['inserted']:,} new, {stored['replaced']:,} replaced, {stored['unchanged']:,} there "
            f"before, in {stored['store']}"
        )
    return "\n".join(lines)


def as_dict(found: ImportedSeries, stored: dict[str, object], seconds: float) -> dict[str, object]:
    """What a program reads."""
    bars, finding = found.bars, found.finding
    known = bars.spread[np.isfinite(bars.spread)]
    volumes = int(np.isfinite(bars.volume).sum())
    return {
        "symbol": bars.symbol,
        "timeframe": bars.timeframe.name,
        "bars": len(bars),
        "first": _moment(bars.ts_ns[0]),
        "last": _moment(bars.ts_ns[-1]),
        "format": found.format.name,
        "files": [{"path": str(file.path), "rows": file.rows, "price_side": file.price_side} for file in found.files],
        "price_side": found.price_side,
        "clock": {"name": found.clock.name, "zone": found.clock.zone, "ahead_hours": found.clock.ahead_hours},
        "clock_basis": found.clock_basis,
        "stamps": found.stamps,
        "stamps_basis": found.stamps_basis,
        "evidence": None
        if finding is None
        else {
            "sure": finding.sure,
            "reason": finding.reason,
            "same": list(finding.same),
            "scores": [
                {"clock": score.clock.name, "stamps": score.stamps, "share": round(score.share, 4), "why": score.why}
                for score in finding.scores
            ],
        },
        "spreads": f"spread of {known.size:,} bars, median {np.median(known):g}" if known.size else "no spread",
        "volumes": f"volume of {volumes:,} bars" if volumes else "no volume",
        "repeated": found.n_repeated,
        "settled": found.n_settled,
        "out_of_order": found.n_falling,
        "ambiguous_stamps": found.n_ambiguous,
        "notes": list(found.notes),
        "seconds": round(seconds, 3),
        **stored,
    }


def _moment(ts_ns: int) -> str:
    return moment_text(ts_ns).removesuffix(" UTC").removesuffix(":00")
