"""What the entries of a run came from, all together."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.stats import rankdata

from agv2.core.arrays import FloatArray
from agv2.features.families import FAMILIES, family_of_name

__all__ = ["SaliencySummary", "rank_agreement", "spoke_most", "summarise_saliency"]

STATE = "state of the book"


@dataclass(frozen=True, slots=True)
class SaliencySummary:
    """Means over the entries whose saliency is stored.

    Attributes:
        n_entries: rows of the table, > 0.
        shares: of the sizes of all shares, each kind of feature's and the book's; sums to 1.
        erased: mean fall of the log-odds when each is erased, positive where it spoke for the entry.
        agreement: mean rank correlation of shares and falls over the groups of an entry; NaN where none has any.
        gap: mean of what the shares' sum misses, as a part of what there is to explain.
        last_bar: part of the sizes that lies on the decision's own bar.
    """

    n_entries: int
    shares: dict[str, float]
    erased: dict[str, float]
    agreement: float
    gap: float
    last_bar: float


def summarise_saliency(frame: pl.DataFrame) -> SaliencySummary | None:
    """The summary of `oos/saliency.parquet`; None without an entry."""
    if frame.is_empty():
        return None
    groups = (*FAMILIES, STATE)
    sizes = _by_group(frame["feature_sizes"].struct.unnest(), np.abs(_values(frame["state"].struct.unnest())))
    signed = _by_group(frame["features"].struct.unnest(), _values(frame["state"].struct.unnest()))
    falls = _values(frame["families_erased"].struct.unnest().select([*FAMILIES, "state"]))
    agreements = [rank_agreement(ours, theirs) for ours, theirs in zip(signed, falls, strict=True)]
    defined = [one for one in agreements if np.isfinite(one)]
    explained = np.abs(frame["log_odds"].to_numpy() - frame["baseline_log_odds"].to_numpy())
    last = frame["bar_sizes"].list.last().to_numpy() / np.maximum(frame["bar_sizes"].list.sum().to_numpy(), 1e-12)
    shares = sizes / np.maximum(sizes.sum(axis=1, keepdims=True), 1e-12)
    return SaliencySummary(
        n_entries=frame.height,
        shares=dict(zip(groups, shares.mean(axis=0).tolist(), strict=True)),
        erased=dict(zip(groups, falls.mean(axis=0).tolist(), strict=True)),
        agreement=float(np.mean(defined)) if defined else float("nan"),
        gap=float(np.mean(np.abs(frame["gap"].to_numpy()) / np.maximum(explained, 1e-12))),
        last_bar=float(last.mean()),
    )


def spoke_most(frame: pl.DataFrame | None) -> dict[tuple[int, str, int], str]:
    """Of each entry, by fold, symbol and nanosecond of its decision, what spoke most for it, as a part of all.

    Args:
        frame: `oos/saliency.parquet`; None where the run has none.
    """
    if frame is None or frame.is_empty():
        return {}
    groups = (*FAMILIES, STATE)
    signed = _by_group(frame["features"].struct.unnest(), _values(frame["state"].struct.unnest()))
    best = signed.argmax(axis=1)
    keys = zip(frame["fold"], frame["symbol"], frame["ts"].dt.epoch("ns"), strict=True)
    parts = signed[np.arange(len(best)), best] / np.maximum(np.abs(signed).sum(axis=1), 1e-12)
    return {key: f"{groups[k]} ({part:.0%})" for key, k, part in zip(keys, best.tolist(), parts.tolist(), strict=True)}


def rank_agreement(one: FloatArray, other: FloatArray) -> float:
    """Rank correlation of two judgements of the same groups; NaN where either finds no difference between them."""
    ranks = rankdata(one), rankdata(other)
    if min(np.std(each) for each in ranks) == 0.0:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def _by_group(features: pl.DataFrame, state: FloatArray) -> FloatArray:
    """(n_entries, families and the book) sums of the columns of each."""
    values = _values(features)
    family = np.array([family_of_name(name) for name in features.columns])
    sums = [values[:, family == each].sum(axis=1) for each in FAMILIES]
    return np.stack([*sums, state.sum(axis=1)], axis=1)


def _values(frame: pl.DataFrame) -> FloatArray:
    return frame.to_numpy().astype(np.float64)
