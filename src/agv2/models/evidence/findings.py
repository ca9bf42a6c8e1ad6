"""What was found about one head on one symbol."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agv2.models.block_bootstrap_scores import LossDifference

__all__ = ["BaselineComparison", "Finding", "HeadEvidence", "finding_of"]

ROUNDING = 1e-5  # of a loss: networks compute in single precision

Finding = Literal["better", "draw", "worse"]


@dataclass(frozen=True, slots=True)
class BaselineComparison:
    """A head against one baseline on the same rows.

    Attributes:
        baseline: its name.
        loss: of the baseline, mean over the rows.
        difference: loss of the head, averaged over the seeds row by row, minus that of the baseline.
        finding: `better` where the whole interval lies below zero, `worse` where it lies above, else `draw`
            (`finding_of`).
    """

    baseline: str
    loss: float
    difference: LossDifference
    finding: Finding


@dataclass(frozen=True, slots=True)
class HeadEvidence:
    """One head on one symbol, and for quantiles over one horizon.

    Attributes:
        symbol: whose bars were scored.
        head: `quantiles`, `regime`, `pattern`, `levels` or `reconstruction`.
        horizon: bars ahead, for quantiles alone.
        measure: of the losses: `pinball`, `log_loss`, `brier` or `huber`; lower is better.
        seed_losses: mean loss of each encoder.
        loss: their mean.
        comparisons: one a baseline, in a fixed order.
        measures: what else is known of the head by name, mean over the encoders: of quantiles `coverage_90` (share of
            returns within the central interval of that probability), `pit_0`, `pit_1`, ... (shares between
            neighbouring quantiles) and `pit_deviation`; of classes `balanced_accuracy`; of levels `auc` and, by how
            far from the close the bands are, `auc_near` and `brier_near`, `..._middle` and `..._far`.
        baseline_measures: the same of each baseline by name.
        n_rows: rows that know the target.
    """

    symbol: str
    head: str
    horizon: int | None
    measure: str
    seed_losses: tuple[float, ...]
    loss: float
    comparisons: tuple[BaselineComparison, ...]
    measures: Mapping[str, float]
    baseline_measures: Mapping[str, Mapping[str, float]]
    n_rows: int


def finding_of(difference: LossDifference, baseline_loss: float) -> Finding:
    """The word for an interval.

    Without an interval, for want of independent moments, nothing is found: a draw. So is a difference that is nothing
    but the rounding of a network's numbers, which may well have one sign on every row.

    Args:
        difference: to the baseline.
        baseline_loss: what the difference is measured against.
    """
    if abs(difference.mean) <= ROUNDING * abs(baseline_loss):
        return "draw"
    if difference.is_better:
        return "better"
    return "worse" if difference.low > 0.0 else "draw"
