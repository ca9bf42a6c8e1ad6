"""What the rule that a policy begins as earns by the planted drift itself, of what the oracle earns by it.

    python -m tools.planted_rules --seeds 211 212 --strength weak strong

Linear parts of the heads alone, no network and no simulator: medians are cross-fitted in two halves of the first three
quarters of the bars, the rule is chosen there, and both it and the oracle are paid the drift of the last quarter less
their costs. Per edge and strength: the Sharpe ratios so promised, their ratio, and t on bars left out. A Sharpe ratio
of test bars scatters by luck, this one does not.
"""

import argparse
import math
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from agv2.app.fold_training import linear_inputs, training_data
from agv2.app.market_preparation import PreparedMarket, prepare_markets
from agv2.app.settings import Settings, load_settings
from agv2.backtest.walk_forward import Fold
from agv2.core.arrays import Float32Array, FloatArray
from agv2.data.bars_file import write_bars
from agv2.data.synthetic_markets.level_filter import inferred_level_positions
from agv2.data.synthetic_markets.market import InstrumentMarket
from agv2.data.synthetic_markets.oracle import SIDE_COST_FRAC, oracle_positions
from agv2.data.synthetic_markets.strengths import EDGES
from agv2.models.heads import MultiTaskHeads
from agv2.models.linear_start import fit_linear_parts
from agv2.models.pretraining import unconditional_targets
from agv2.models.training_rows import purged_rows
from agv2.rl.episodes import Span
from agv2.rl.expected_path import RowColumns
from agv2.rl.side_evidence import side_evidence
from agv2.rl.side_inputs import side_inputs
from agv2.rl.side_rules import best_rule, rule_rewards
from agv2.utils.config import parse_override
from tools.planted_edges import FREE, STRENGTHS, market_of

SHARE, N_BLOCKS = 0.75, 3
_KNOWS = {"levels": inferred_level_positions, "none": lambda made: np.zeros(len(made.bars))}


class Found(NamedTuple):
    """Annual, per unit of risk held, by the planted drift."""

    oracle: float
    rule: float
    t_value: float
    """On training bars left out, by what they paid."""


def said(market: PreparedMarket, settings: Settings, train: range, told: range) -> Float32Array:
    """(n, 15) quantiles of linear heads fitted on `train`, for the bars of `told`."""
    config = settings.encoder
    normalizer, (series,) = training_data([market], [Fold(train.start, train.stop, train.stop, train.stop)], settings)
    (rows,) = purged_rows([series], config)
    torch.manual_seed(0)
    heads = MultiTaskHeads(series.features.shape[1], config).eval()
    heads.start_at_baseline(unconditional_targets([series], [rows.train], config))
    fit_linear_parts(heads, [series], [rows.train], config, linear_inputs(market.features.columns))
    seen = torch.from_numpy(normalizer.transform(market.features.values[told.start : told.stop]))
    with torch.inference_mode():
        quantiles: Float32Array = heads(torch.zeros(1, config.embedding_dim), seen).quantiles.numpy()
    return quantiles.reshape(len(told), -1)


def promised(sides: FloatArray, path: FloatArray, per_year: float) -> float:
    """Annual Sharpe ratio of sides (n,), each bar with a position being as risky as any other."""
    rewards = np.empty(sides.size)
    _, held = rule_rewards(sides, 0.5, 0.5, path, rewards)
    return float(rewards.mean()) / math.sqrt(held) * math.sqrt(per_year) if held > 0.0 else 0.0


def taken(worth: FloatArray, enter: float, leave: float) -> FloatArray:
    """(n,) sides of a rule: what a path that pays one for a long and takes one for a short pays it."""
    path = np.zeros((worth.size, 5))
    path[:, 1] = 1.0
    sides = np.empty(worth.size)
    rule_rewards(worth, enter, leave, path, sides)
    return sides


def cell(made: InstrumentMarket) -> Found:
    """Choose on the first three quarters, and be paid the drift of the rest."""
    costs = {**dict.fromkeys((*FREE, "financing_short_frac_per_night"), 0.0), "half_spread_frac": SIDE_COST_FRAC}
    symbol = made.bars.symbol
    overrides = [f"costs.{symbol}.{name}={value}" for name, value in costs.items()]
    settings = load_settings(
        None, [parse_override(one) for one in (*overrides, f"costs.{symbol}.spread_source=constant")]
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{symbol}_{made.bars.timeframe.name}.parquet"
        write_bars(made.bars, path)
        (market,) = prepare_markets([path], [], settings)
    first, n_bars = market.first_decision, len(market.bars)
    stop = first + int(SHARE * (n_bars - first))
    middle = (first + stop) // 2
    rows = np.full((n_bars, 15), np.nan, dtype=np.float32)
    for train, told in (
        (range(middle, stop), range(first, middle)),
        (range(first, middle), range(middle, stop)),
        (range(first, stop), range(stop, n_bars)),
    ):
        rows[told.start : told.stop] = said(market, settings, train, told)
    config = settings.encoder
    columns = RowColumns(0, len(config.horizons), len(config.quantile_levels))
    tape = market.tape(n_bars, rows)
    inputs = side_inputs([tape], columns)
    rule = best_rule(inputs.paths, inputs.predicted, [range(first, stop)])
    assert rule is not None, "sixty thousand bars hold a rule"
    evidence = side_evidence([tape], [Span(0, first, stop)], inputs, N_BLOCKS, settings.label_reach)
    paid = inputs.paths[stop:-1].copy()
    paid[:, 0], paid[:, 1] = 0.0, paid[:, 2] / SIDE_COST_FRAC * made.drift[stop + 1 :]
    knows = _KNOWS.get(made.request.edge, oracle_positions)(made)
    per_year = len(paid) * 365.25 * 86_400e9 / float(made.bars.ts_ns[-1] - made.bars.ts_ns[stop])
    own = taken(rule.worth.of(inputs.predicted)[stop:-1], rule.enter, rule.leave)
    return Found(promised(knows[stop + 1 :], paid, per_year), promised(own, paid, per_year), evidence.t_value)


def main() -> None:
    """Print a line an edge and strength."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--market", default="XAUUSD")
    parser.add_argument("--edge", nargs="+", choices=EDGES, default=list(EDGES[1:]))
    parser.add_argument("--strength", nargs="+", choices=list(STRENGTHS), default=list(STRENGTHS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[211])
    parser.add_argument("--bars", type=int, default=60_000)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for edge in asked.edge:
        for strength in asked.strength:
            found = [cell(market_of(asked.market, edge, strength, seed, asked.bars)) for seed in asked.seeds]
            oracle, rule, _ = np.mean(found, axis=0)
            each = " ".join(f"{one.rule / one.oracle:.2f}" for one in found if one.oracle > 0.0)
            share = f"  share {rule / oracle:.2f} ({each})" if each else ""
            told = " ".join(f"{one.t_value:.1f}" for one in found)
            print(
                f"{asked.market} {edge:<10} {strength:<7} oracle {oracle:.2f}  rule {rule:.2f}{share}  t {told}",
                flush=True,
            )


if __name__ == "__main__":
    main()
