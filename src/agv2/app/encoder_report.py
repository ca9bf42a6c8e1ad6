"""What training encoders found, as values and as `evidence.json`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from agv2.models.block_bootstrap_scores import LossDifference
from agv2.models.evidence.findings import BaselineComparison, Finding, HeadEvidence
from agv2.models.evidence.linear_probe import ProbeScore
from agv2.models.evidence.reliability import ReliabilityPoint
from agv2.models.training_log import TrainingLook

__all__ = [
    "AblatedHead",
    "EncoderReport",
    "HeadReliability",
    "SymbolSpan",
    "TrainedSeed",
    "best_baseline",
    "finding_counts",
]

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class SymbolSpan:
    """Which bars of a symbol taught, and which only scored."""

    symbol: str
    asset_class: str
    timeframe: str
    """Empty where a file does not say."""
    n_fit: int
    """Bars with a whole window that encoders and baselines were fitted on."""
    n_score: int
    """Bars held out."""
    first_ns: int
    """Open of the first of the former."""
    fit_until_ns: int
    """Open of the last of them."""
    score_from_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class TrainedSeed:
    """One encoder."""

    seed: int
    steps: int
    best_step: int
    looks: tuple[TrainingLook, ...]
    name: str
    """Of its directory among the encoders of the project home."""


@dataclass(frozen=True, slots=True)
class HeadReliability:
    """Probabilities of one event, held against what happened."""

    symbol: str
    head: str
    event: str
    points: tuple[ReliabilityPoint, ...]
    """Rising, each of about equally many predictions."""


@dataclass(frozen=True, slots=True)
class AblatedHead:
    """What a head loses when another head is not trained."""

    without: str
    head: str
    loss: float
    """With every head trained, on the held-out bars of all symbols, mean over the seeds."""
    change: LossDifference
    """Of that loss when `without` is switched off: above zero, it is missed."""


@dataclass(frozen=True, slots=True)
class EncoderReport:
    """Everything there is to show and to store."""

    spans: tuple[SymbolSpan, ...]
    profile: str
    backbone: str
    window: int
    quantile_levels: tuple[float, ...]
    steps: int
    """Gradient steps asked for; an encoder that stopped improving took fewer."""
    holdout_frac: float
    purge_bars: int
    """Bars left out between those that teach and those that score."""
    seeds: tuple[TrainedSeed, ...]
    heads: tuple[HeadEvidence, ...]
    probes: tuple[ProbeScore, ...]
    reliability: tuple[HeadReliability, ...]
    ablation: tuple[AblatedHead, ...]
    notes: tuple[str, ...]
    runtime_s: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        """The report as `evidence.json` holds it: null where a number is undefined, never NaN."""
        fields = asdict(self)
        for head, evidence in zip(fields["heads"], self.heads, strict=True):
            best = best_baseline(evidence)
            head["finding"] = None if best is None else best.finding
            head["best_baseline"] = None if best is None else best.baseline
        plain: dict[str, Any] = _plain({"schema": SCHEMA, **fields})
        return plain


def best_baseline(evidence: HeadEvidence) -> BaselineComparison | None:
    """The baseline with the smallest loss, chosen with hindsight, which is to its advantage; None without any."""
    return min(evidence.comparisons, key=lambda each: each.loss, default=None)


def finding_counts(heads: Sequence[HeadEvidence]) -> dict[Finding, int]:
    """How often the head is better than its best baseline, level with it, or worse."""
    words: tuple[Literal["better", "draw", "worse"], ...] = ("better", "draw", "worse")
    found = [best.finding for each in heads if (best := best_baseline(each)) is not None]
    return {word: found.count(word) for word in words}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
