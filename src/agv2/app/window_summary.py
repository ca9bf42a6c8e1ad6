"""What a file of windows holds, counted over every row."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agv2.data.price_action.window_columns import CLASSES
from agv2.data.price_action_dataset import WindowDataset

__all__ = ["WindowSummary", "summarise_windows"]

_UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class WindowSummary:
    """Counts over all rows of a file."""

    symbols: dict[str, int]
    """Symbol → windows; empty where the file does not say."""
    first_ns: int | None
    """Open of the earliest last bar of a window; None where the file does not say."""
    last_ns: int | None
    classes: dict[str, dict[int, int]]
    """Column → class number → how often, -1 for unknown; of bands where a row has several."""
    returns: tuple[tuple[int, float], ...]
    """For each value of `future_returns`: how often it is known, and its standard deviation, NaN where it never is."""


def summarise_windows(dataset: WindowDataset, report: Callable[[int], None] | None = None) -> WindowSummary:
    """Read and check every row of a file, and count.

    Args:
        dataset: the file.
        report: told the rows read so far.

    Raises:
        DataError: a row cannot be used; names it.
    """
    symbols: Counter[str] = Counter()
    classes: dict[str, Counter[int]] = {}
    first_ns: int | None = None
    last_ns: int | None = None
    moments = np.zeros((3, dict(dataset.list_lengths).get("future_returns", 0)))  # how many, their sum, their squares
    for batch in dataset.batches():
        about = batch.columns
        if about.symbol is not None:
            symbols.update(about.symbol.tolist())
        if about.ts_ns is not None:
            early, late = int(about.ts_ns.min()), int(about.ts_ns.max())
            first_ns = early if first_ns is None else min(first_ns, early)
            last_ns = late if last_ns is None else max(last_ns, late)
        for name in CLASSES:
            labels = getattr(about, name)
            if labels is not None and labels.dtype.kind == "i":
                numbers, counts = np.unique(labels, return_counts=True)
                classes.setdefault(name, Counter()).update(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))
        if about.future_returns is not None:
            known = about.future_returns.astype(np.float64)
            moments += [(~np.isnan(known)).sum(axis=0), np.nansum(known, axis=0), np.nansum(known * known, axis=0)]
        if report is not None:
            report(batch.first_row + len(batch))
    return WindowSummary(
        symbols=dict(symbols),
        first_ns=first_ns,
        last_ns=last_ns,
        classes={name: {number: each[number] for number in sorted(each)} for name, each in classes.items()},
        returns=tuple(
            (int(n), float(np.sqrt(max(square / n - (total / n) ** 2, 0.0))) if n else float("nan"))
            for n, total, square in moments.T
        ),
    )
