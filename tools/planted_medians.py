"""How well predicted medians know a planted drift on later bars: linear parts alone, no network and no policy.

    python -m tools.planted_medians --seeds 211 212 --strength weak strong

Per edge and strength, the correlation of the median 1, 3 and 12 bars ahead with the drift that the truth of the market
gives the next bar, in volatilities; fitted on the first three quarters of the bars, mean over the seeds. Unlike a
Sharpe ratio it has no luck of the test bars in it.
"""

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch

from agv2.app.fold_training import linear_inputs, training_data
from agv2.app.market_preparation import prepare_markets
from agv2.app.settings import load_settings
from agv2.backtest.walk_forward import Fold
from agv2.core.arrays import FloatArray
from agv2.data.bars_file import write_bars
from agv2.data.synthetic_markets.market import InstrumentMarket
from agv2.data.synthetic_markets.strengths import EDGES
from agv2.models.heads import MultiTaskHeads
from agv2.models.linear_start import fit_linear_parts
from agv2.models.pretraining import unconditional_targets
from agv2.models.training_rows import purged_rows
from tools.planted_edges import STRENGTHS, market_of

SHARE = 0.75


def known_drift(made: InstrumentMarket) -> list[float]:
    """Correlation of each horizon's median with the next bar's drift, on the last quarter of the bars."""
    settings = load_settings(None, [])
    config = settings.encoder
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{made.bars.symbol}_{made.bars.timeframe.name}.parquet"
        write_bars(made.bars, path)
        (market,) = prepare_markets([path], [], settings)
    stop = market.first_decision + int(SHARE * (len(market.bars) - market.first_decision))
    normalizer, (series,) = training_data([market], [Fold(market.first_decision, stop, stop, stop)], settings)
    (rows,) = purged_rows([series], config)
    torch.manual_seed(0)
    heads = MultiTaskHeads(series.features.shape[1], config).eval()
    heads.start_at_baseline(unconditional_targets([series], [rows.train], config))
    fit_linear_parts(heads, [series], [rows.train], config, linear_inputs(market.features.columns))
    later = torch.from_numpy(normalizer.transform(market.features.values[stop:-1]))
    with torch.inference_mode():
        said: FloatArray = heads(torch.zeros(1, config.embedding_dim), later).quantiles.numpy()
    medians = said.reshape(len(said), len(config.horizons), -1)[:, :, config.quantile_levels.index(0.5)]
    drift = made.drift[stop + 1 :] / market.features.sigma[stop:-1]
    return [float(np.corrcoef(median, drift)[0, 1]) for median in medians.T]


def main() -> None:
    """Print a line an edge and strength."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--market", default="XAUUSD")
    parser.add_argument("--edge", nargs="+", choices=EDGES[1:], default=list(EDGES[1:]))
    parser.add_argument("--strength", nargs="+", choices=list(STRENGTHS), default=list(STRENGTHS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[211])
    parser.add_argument("--bars", type=int, default=60_000)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for edge in asked.edge:
        for strength in asked.strength:
            found = [known_drift(market_of(asked.market, edge, strength, seed, asked.bars)) for seed in asked.seeds]
            shown = "  ".join(f"{value:.3f}" for value in np.mean(found, axis=0))
            print(f"{asked.market} {edge:<10} {strength:<7} {shown}", flush=True)


if __name__ == "__main__":
    main()
