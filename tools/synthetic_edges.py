"""Measure what the oracle earns on each synthetic edge, and find the amplitudes behind `weak` and `strong`.

    python tools/synthetic_edges.py                 # the table of docs/synthetic_markets.md, seeds 1 to 20
    python tools/synthetic_edges.py --calibrate     # the table of data/synthetic_markets/strengths.py

Oracles alone decide: no policy, no encoder and no real bar is looked at.
"""

import argparse
import dataclasses
import math

import numpy as np

from agv2.core.errors import DataError
from agv2.data.config import MarketsConfig
from agv2.data.synthetic_markets.instruments import INSTRUMENTS
from agv2.data.synthetic_markets.market import MarketRequest, instrument_market
from agv2.data.synthetic_markets.oracle import oracle_sharpe
from agv2.data.synthetic_markets.strengths import EDGES, STRONG, WEAK
from agv2.utils.config import load_config

N_BARS = 12_000


def sharpes(
    symbol: str, edge: str, seeds: range, timeframe: str = "1h", n_bars: int = N_BARS, **how_much: float
) -> list[float]:
    """Net annual Sharpe ratio of the oracle, a seed each; `how_much` is a strength or an amplitude."""
    config = load_config(MarketsConfig, "markets").entry(symbol)[0]
    request = MarketRequest(symbol, edge, timeframe=timeframe, n_bars=n_bars, **how_much)  # type: ignore[arg-type]
    return [oracle_sharpe(instrument_market(dataclasses.replace(request, seed=seed), config)) for seed in seeds]


def calibrated(symbol: str, edge: str, target: float, seeds: range) -> float:
    """Amplitude at which the mean over `seeds` is `target`, by bisection."""
    low, high = 0.0, 1.0 if edge == "reversion" else 0.6
    for _ in range(10):
        middle = 0.5 * (low + high)
        try:
            found = float(np.mean(sharpes(symbol, edge, seeds, amplitude=middle)))
        except DataError:  # so strong that a price ran off its grid
            found = math.inf
        low, high = (middle, high) if found < target else (low, middle)
    return 0.5 * (low + high)


def main() -> None:
    """Print one of the two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--timeframe", default="1h")
    parser.add_argument("--bars", type=int, default=N_BARS)
    parser.add_argument("--market", choices=list(INSTRUMENTS), default=None)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    if not options.calibrate:
        print("| market | edge | weak | strong |\n|---|---|---|---|")
    for symbol in [options.market] if options.market else INSTRUMENTS:
        for edge in EDGES[1:]:
            if options.calibrate:
                pair = [calibrated(symbol, edge, target, seeds) for target in (WEAK, STRONG)]
                print(f'    ("{symbol}", "{edge}"): ({pair[0]:.3f}, {pair[1]:.3f}),', flush=True)
                continue
            cells = []
            for strength in (WEAK, STRONG):
                found = sharpes(symbol, edge, seeds, options.timeframe, options.bars, strength=strength)
                cells.append(f"{np.mean(found):.2f} ({np.min(found):.1f} to {np.max(found):.1f})")
            print(f"| {symbol} | {edge} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
