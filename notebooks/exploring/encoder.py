"""Small encoders for a notebook to look at: what they learn from, what they said, and the words for what came of it."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agv2.app.encoder_page.words import HEAD_WORDS, interval_text, of_baseline
from agv2.app.encoder_report import best_baseline
from agv2.app.encoder_training.bars_plan import plan_from_bars
from agv2.app.encoder_training.plan import EncoderPlan, EncoderRequest
from agv2.app.settings import load_settings
from agv2.core.arrays import FloatArray, Int8Array
from agv2.core.bars import Bars
from agv2.data.bars_file import write_bars
from agv2.models.evidence.findings import HeadEvidence
from agv2.models.evidence.linear_probe import ProbeScore
from agv2.models.head_baselines import turn_shares
from agv2.models.head_rows import head_predictions, head_targets
from agv2.models.masked_model import MaskedModel
from agv2.models.pretraining import PretrainedEncoder, pretrain
from agv2.models.threads import torch_threads
from agv2.utils.config import parse_override

__all__ = ["Held", "evidence_row", "head_title", "held_out", "plan_of", "probe_row", "trained_encoders"]

PROFILE = "standard"  # the first with every baseline


def plan_of(bars: Bars, settings: Sequence[str], seed: int, n_seeds: int) -> EncoderPlan:
    """What `agv2 train encoder --profile standard` would train and score on these bars.

    Args:
        bars: of one symbol.
        settings: as after `--set`.
        seed: of the first encoder.
        n_seeds: encoders.

    Raises:
        ConfigError: a setting is wrong.
        DataError: too few bars, or bars with errors.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{bars.symbol}_{bars.timeframe.name}.parquet"
        write_bars(bars, path)
        request = EncoderRequest(bars=(path,), profile=PROFILE, seed=seed, n_seeds=n_seeds)
        return plan_from_bars(request, load_settings(None, [parse_override(each) for each in settings]))


def trained_encoders(plan: EncoderPlan) -> dict[int, PretrainedEncoder]:
    """Seed → encoder, none of which has seen the bars held out."""
    with torch_threads(1):
        return {
            seed: pretrain(plan.fit, plan.config, plan.budget.steps, seed, linear_inputs=plan.linear_inputs)
            for seed in plan.budget.seeds
        }


@dataclass(frozen=True, slots=True)
class Held:
    """What one encoder said of the held-out bars of the first symbol, and what came.

    Attributes:
        rows: of `plan.whole[0]`.
        quantiles: (n_rows, n_horizons, n_levels) of the return in σ·√h.
        future: (n_rows, n_horizons) the return itself; NaN where unknown.
        turns: (n_rows, 16) probability that price turns at the band.
        reacted: (n_rows, 16) 1 where it did, 0 where it did not, -1 where unknown.
        usual: (16,) share of the bars that teach after which it did.
    """

    rows: range
    quantiles: FloatArray
    future: FloatArray
    turns: FloatArray
    reacted: Int8Array
    usual: FloatArray

    def outside(self, horizon: int) -> FloatArray:
        """(n_rows,) 1.0 where the return left the outermost quantiles, 0.0 where not, NaN where it is unknown.

        Args:
            horizon: its place among the horizons.
        """
        came, said = self.future[:, horizon], self.quantiles[:, horizon]
        left = (came < said[:, 0]) | (came > said[:, -1])
        return np.where(np.isfinite(came), left.astype(np.float64), np.nan)


def held_out(plan: EncoderPlan, model: MaskedModel) -> Held:
    """Predictions and targets of the bars that only score."""
    one, rows, fit = plan.whole[0], plan.score_rows[0], plan.fit_rows[0]
    said, came = head_predictions(model, one, rows, plan.config), head_targets(one, rows, plan.config)
    usual = turn_shares(one.reacted[fit.start : fit.stop])
    return Held(rows, said["quantiles"], came["quantiles"], said["levels"], came["levels"], usual)


def head_title(evidence: HeadEvidence) -> str:
    """Name of a head, and for returns how far ahead."""
    ahead = "" if evidence.horizon is None else f", {evidence.horizon} ahead"
    return HEAD_WORDS[evidence.head][0] + ahead


def evidence_row(evidence: HeadEvidence) -> tuple[str, ...]:
    """A head beside its best baseline, chosen with hindsight: losses, difference, interval and the word for it."""
    best = best_baseline(evidence)
    own = f"{evidence.loss:.4f}", f"{min(evidence.seed_losses):.4f} to {max(evidence.seed_losses):.4f}"
    if best is None:
        return (head_title(evidence), *own, "none", "–", "–", "–", "–")
    return (
        head_title(evidence),
        *own,
        best.baseline,
        f"{best.loss:.4f}",
        of_baseline(best.difference.mean, best.loss),
        interval_text(best.difference, best.loss),
        best.finding,
    )


def probe_row(score: ProbeScore) -> tuple[str, ...]:
    """A linear probe beside the same probe on the bar's own features."""
    reads = "the embedding" if score.inputs == "embedding" else "embedding and features"
    return (
        score.target.replace("_", " "),
        reads,
        f"{score.loss:.4f}",
        f"{score.features_loss:.4f}",
        f"{score.constant_loss:.4f}",
        interval_text(score.difference, score.features_loss),
        score.finding,
    )
