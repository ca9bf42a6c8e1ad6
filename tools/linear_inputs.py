"""Measure what the linear parts of the heads make of which features, on bars after those that they were fitted on.

    python tools/linear_inputs.py bars/XAUUSD_1h.parquet bars/NAS100_5m.parquet ...

Per file, on the encoder's own purged split of the first three quarters (at most 60,000 bars): the pinball loss of the
quantile head against the best of unconditional, EWMA and HAR, and the log losses of regimes and patterns and the Brier
score of turns against the best that ignores the bar. The network has no part in it.
"""

import argparse
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from agv2.app.fold_training import linear_inputs, training_data
from agv2.app.market_preparation import prepare_markets
from agv2.app.settings import load_settings
from agv2.backtest.walk_forward import Fold
from agv2.features.feature_spec import FeatureColumn, Reads
from agv2.models.bar_basis import LinearInputs
from agv2.models.baseline_rows import baseline_predictions
from agv2.models.config import EncoderConfig
from agv2.models.head_rows import head_targets, loss_rows
from agv2.models.heads import MultiTaskHeads
from agv2.models.linear_start import fit_linear_parts
from agv2.models.losses import class_loss, level_loss, pinball_loss
from agv2.models.pretraining import unconditional_targets
from agv2.models.training_rows import PurgedRows, TrainingSeries, purged_rows

MOST_BARS, SHARE, SEED = 60_000, 0.75, 0
HEADS = ("quantiles", "regime", "pattern", "levels")


def subsets(columns: tuple[FeatureColumn, ...]) -> dict[str, LinearInputs]:
    """What the linear parts read, by name; the first is what `agv2 run` has."""
    names = [column.name for column in columns]
    levels = np.array([column.spec.reads is Reads.LEVELS for column in columns])
    heat = np.array([column.spec.is_heat for column in columns])
    context = np.array(["@" in name for name in names])
    swings = np.array([name.startswith("swing_") for name in names])
    waves = np.array([name.startswith("time_of_day") and name[-1].isdigit() for name in names])
    own = linear_inputs(columns)
    nearest = own.nearest
    return {
        "the bar's own": own,
        "without swings": replace(own, every_head=own.every_head & ~swings),
        "without waves": replace(own, every_head=own.every_head & ~waves),
        "with its levels": LinearInputs(~context & ~heat, ~context & levels & ~heat, nearest),
        "with its heat map": LinearInputs(~context, ~context, nearest),
        "with context": LinearInputs(~levels, ~heat, nearest),
        "everything": LinearInputs(np.ones_like(levels), np.ones_like(levels), nearest),
    }


def losses(
    series: TrainingSeries, inputs: LinearInputs, train: range, score: range, config: EncoderConfig
) -> list[float]:
    """Pinball loss, log losses of regimes and patterns and Brier score of turns, fitted on the training rows."""
    torch.manual_seed(SEED)
    heads = MultiTaskHeads(series.features.shape[1], config).eval()
    heads.start_at_baseline(unconditional_targets([series], [train], config))
    fit_linear_parts(heads, [series], [train], config, inputs)
    rows = slice(score.start, score.stop)
    returns, levels = torch.from_numpy(series.future[rows].astype(np.float32)), torch.tensor(config.quantile_levels)
    regime, pattern, turned = (torch.from_numpy(each[rows]) for each in (series.regime, series.pattern, series.reacted))
    with torch.inference_mode():
        said = heads(torch.zeros(1, config.embedding_dim), torch.from_numpy(series.features[rows]))
        found = (
            pinball_loss(said.quantiles, returns, levels),
            class_loss(said.regime_logits, regime),
            class_loss(said.pattern_logits, pattern),
            level_loss(said.level_logits, turned),
        )
    return [float(loss) for loss in found]


def least_loss(head: str, series: TrainingSeries, rows: PurgedRows, config: EncoderConfig) -> float:
    """Mean loss on the scored rows of the best baseline that is quickly fitted."""
    (said,) = baseline_predictions(head, [series], [rows.train], [rows.score], config, costly=False, seed=SEED)
    target = head_targets(series, rows.score, config)[head]
    return min(float(np.nanmean(loss_rows(head, predicted, target, config))) for predicted in said.values())


def main() -> None:
    """Print a block a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bars", nargs="+", type=Path)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    settings = load_settings(None, [])
    config = settings.encoder
    for path in parser.parse_args().bars:
        (market,) = prepare_markets([path], [], settings, accept_defects=True)
        stop = market.first_decision + int(SHARE * (len(market.bars) - market.first_decision))
        start = max(market.first_decision, stop - MOST_BARS)
        _, (series,) = training_data([market], [Fold(start, stop, stop, stop)], settings)
        (rows,) = purged_rows([series], config)
        best = [least_loss(head, series, rows, config) for head in HEADS]
        print(f"{path.name}: fitted on {len(rows.train):,} bars, scored on {len(rows.score):,}")
        for name, inputs in subsets(market.features.columns).items():
            found = losses(series, inputs, rows.train, rows.score, config)
            shown = (
                f"{head} {100.0 * (loss / least - 1.0):+6.2f} %"
                for head, loss, least in zip(HEADS, found, best, strict=True)
            )
            print(f"  {name:<18} {int(inputs.every_head.sum()):>4} features   {'   '.join(shown)}")


if __name__ == "__main__":
    main()
