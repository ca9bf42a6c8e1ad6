"""What the page and the terminal call heads, measures and findings."""

import math

from agv2.app.encoder_report import EncoderReport, finding_counts
from agv2.backtest.report.numerals import Unit, format_number
from agv2.models.block_bootstrap_scores import LossDifference
from agv2.models.evidence.findings import HeadEvidence

__all__ = [
    "HEAD_WORDS",
    "MEASURE_WORDS",
    "PROBE_WORDS",
    "cell_name",
    "headline",
    "interval_text",
    "measures_text",
    "of_baseline",
]

HEAD_WORDS = {
    "quantiles": ("Next returns", "quantiles of the return over each horizon, in its own volatility"),
    "regime": ("Regime", "trend, consolidation or volatile"),
    "pattern": ("Breakout or reversal", "what price does after it touches a level"),
    "levels": ("Support and resistance", "whether price turns at each band around the close"),
    "reconstruction": ("Hidden bars", "features of bars that the encoder was not shown"),
}
"""Head → its title and what it predicts."""

MEASURE_WORDS = {
    "pinball": "pinball loss",
    "log_loss": "log loss",
    "brier": "Brier score",
    "huber": "Huber loss",
}


PROBE_WORDS = {"regime": "regime", "pattern": "breakout or reversal", "log_abs_return": "size of the next return"}


def cell_name(evidence: HeadEvidence) -> str:
    """What was scored: the symbol, and for returns how far ahead."""
    if evidence.horizon is None:
        return evidence.symbol
    return f"{evidence.symbol} · {evidence.horizon} bar{'s' * (evidence.horizon > 1)}"


def of_baseline(difference: float, baseline_loss: float) -> str:
    """A difference of losses in per cent of the baseline's: below zero the head is better."""
    share = difference / baseline_loss if baseline_loss > 0.0 else float("nan")
    return format_number(share, Unit.PERCENT, signed=True)


def interval_text(difference: LossDifference, baseline_loss: float) -> str:
    """The interval in the same unit, or why there is none."""
    if not math.isfinite(difference.low):
        return "too few moments"
    return " to ".join(of_baseline(end, baseline_loss) for end in (difference.low, difference.high))


def headline(report: EncoderReport) -> str:
    """What was found over all heads and symbols, in a sentence."""
    counts = finding_counts(report.heads)
    total = sum(counts.values())
    if not total:
        return "No head had a baseline to beat"
    draws = f", level with it on {counts['draw']}" if counts["draw"] else ""
    worse = f", worse on {counts['worse'] or 'none'}"
    return f"Better than the best baseline on {counts['better']} of {total} counts{draws}{worse}"


def measures_text(evidence: HeadEvidence) -> str:
    """What else is known of a head, in a few words."""
    own = evidence.measures
    found = [
        f"{name.removeprefix('coverage_')}\u202f% holds {format_number(share, Unit.PERCENT)}"
        for name, share in own.items()
        if name.startswith("coverage_")
    ]
    if "balanced_accuracy" in own:
        found.append(f"balanced accuracy {format_number(own['balanced_accuracy'], Unit.PERCENT)}")
    if "auc" in own:
        found.append(f"AUC {format_number(own['auc'], Unit.RATIO)}")
    return ", ".join(found)
