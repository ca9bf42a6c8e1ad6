"""Spreads that cannot be."""

import numpy as np

from agv2.data.quality.findings import Finding, Severity, finding, places_at
from agv2.data.raw_bars import RawBars

__all__ = ["check_spreads"]


def check_spreads(raw: RawBars) -> list[Finding]:
    """Negative spreads; whoever reads the file takes them as unknown."""
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero(raw.spread < 0.0)
    if rows.size == 0:
        return []
    values = raw.spread[rows]
    places = places_at(rows, raw.ts_ns[rows], [f"{value:g}" for value in values], -values)
    known = int((~np.isnan(raw.spread)).sum())
    return [finding("negative_spreads", Severity.WARNING, rows.size, known, places)]
