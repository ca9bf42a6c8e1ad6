"""Reports on encoders that nobody trained, for tests of what shows them."""

import numpy as np

from agv2.app.encoder_report import (
    AblatedHead,
    EncoderReport,
    HeadReliability,
    SymbolSpan,
    TrainedSeed,
)
from agv2.models.block_bootstrap_scores import LossDifference
from agv2.models.evidence.findings import BaselineComparison, HeadEvidence, finding_of
from agv2.models.evidence.linear_probe import ProbeScore
from agv2.models.evidence.reliability import ReliabilityPoint
from agv2.models.training_log import TrainingLook

__all__ = ["LEVELS", "a_report", "compared", "evidence_of"]

HOUR_NS = 3_600_000_000_000
RELIABILITY = tuple(ReliabilityPoint(said, 0.9 * said + 0.02, 640) for said in (0.05, 0.1, 0.3))
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def compared(baseline: str, loss: float, mean: float, low: float, high: float) -> BaselineComparison:
    """A head against a baseline of this loss, from this mean difference and its interval."""
    difference = LossDifference(mean, low, high, 4_000, 48)
    return BaselineComparison(baseline, loss, difference, finding_of(difference, loss))


def evidence_of(symbol: str, head: str, *comparisons: BaselineComparison, horizon: int | None = None) -> HeadEvidence:
    """Evidence whose loss follows from its first comparison."""
    measure = {"quantiles": "pinball", "levels": "brier", "reconstruction": "huber"}.get(head, "log_loss")
    loss = comparisons[0].loss + comparisons[0].difference.mean if comparisons else 0.3
    shares = np.diff([0.0, *LEVELS, 1.0]) * [1.4, 1.05, 0.9, 0.95, 1.0, 1.3]
    quantile = {"coverage_50": 0.46, "coverage_90": 0.872, "pit_deviation": 0.03} | {
        f"pit_{place}": float(share) for place, share in enumerate(shares)
    }
    measures = quantile if head == "quantiles" else {"auc": 0.61} if head == "levels" else {"balanced_accuracy": 0.42}
    return HeadEvidence(
        symbol=symbol,
        head=head,
        horizon=horizon,
        measure=measure,
        seed_losses=(0.999 * loss, loss, 1.001 * loss),
        loss=loss,
        comparisons=comparisons,
        measures=measures,
        baseline_measures={},
        n_rows=4_000,
    )


def a_report(symbols: tuple[str, ...] = ("XAUUSD", "NAS100")) -> EncoderReport:
    """Every kind of finding, on two symbols."""
    nan = float("nan")
    heads = []
    for symbol in symbols:
        for horizon in (1, 3, 12):
            heads.append(
                evidence_of(
                    symbol,
                    "quantiles",
                    compared("unconditional", 0.2650, -0.0120, -0.0150, -0.0090),
                    compared("EWMA", 0.2580, -0.0050, -0.0072, -0.0028),
                    compared("HAR", 0.2545, -0.0015, -0.0026, -0.0004 * horizon),
                    compared("GARCH-t", 0.2551, -0.0021, -0.0034, -0.0008),
                    horizon=horizon,
                )
            )
        heads += [
            evidence_of(
                symbol,
                "regime",
                compared("class frequencies", 1.0500, -0.0300, -0.0700, 0.0110),
                compared("boosted trees", 1.0300, -0.0100, -0.0500, 0.0310),
            ),
            evidence_of(
                symbol,
                "pattern",
                compared("class frequencies", 1.0200, -0.0400, -0.0500, -0.0300),
                compared("boosted trees", 0.9700, 0.0100, 0.0040, 0.0160),
            ),
            evidence_of(symbol, "levels", compared("distance to level", 0.1120, -0.0012, nan, nan)),
            evidence_of(
                symbol,
                "reconstruction",
                compared("linear interpolation", 0.1900, -0.0300, -0.0340, -0.0260),
                compared("last value", 0.3500, -0.1900, -0.2000, -0.1800),
            ),
        ]
    names = ("quantiles", "regime", "pattern", "levels", "reconstruction")
    numbered = list(enumerate(names))
    seeds = tuple(
        TrainedSeed(
            seed=seed,
            steps=280,
            best_step=210,
            looks=tuple(
                TrainingLook(
                    step,
                    {name: 0.5 + k + 0.2 * np.exp(-step / 90) + 0.002 * seed for k, name in numbered},
                    {
                        name: 0.52 + k + 0.2 * np.exp(-step / 90) + 1e-6 * (step - 210) ** 2
                        for k, name in enumerate(names)
                    },
                    1e-3,
                )
                for step in range(35, 281, 35)
            ),
            name=f"XAUUSD_1h_tcn_{seed}",
        )
        for seed in (7, 8, 9)
    )
    change = LossDifference(-0.0012, -0.0030, 0.0006, 4_000, 48)
    return EncoderReport(
        spans=tuple(
            SymbolSpan(symbol, "metal", "1h", 30_000, 11_000, 0, 30_000 * HOUR_NS, 30_600 * HOUR_NS, 41_600 * HOUR_NS)
            for symbol in symbols
        ),
        profile="standard",
        backbone="tcn",
        window=512,
        quantile_levels=LEVELS,
        steps=280,
        holdout_frac=0.25,
        purge_bars=559,
        seeds=seeds,
        heads=tuple(heads),
        probes=tuple(
            ProbeScore(symbol, "regime", "both", "log_loss", (1.0, 1.01), 1.005, 1.02, 1.05, change, "draw", 4_000)
            for symbol in symbols
        ),
        reliability=tuple(HeadReliability(symbol, "levels", "price turns", RELIABILITY) for symbol in symbols),
        ablation=tuple(
            AblatedHead(without, head, 0.25, change) for without in names for head in names if head != without
        ),
        notes=("profile quick: GARCH and boosted trees were not computed",),
        runtime_s={"encoders": 100.0},
    )
