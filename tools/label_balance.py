"""Print how often each label class occurs on given bars, and name the classes that are empty or above 90 %.

python tools/label_balance.py bars/XAUUSD_1h.parquet bars/US30_5m.parquet
"""

import argparse
from enum import IntEnum
from pathlib import Path

import numpy as np

from agv2.core.arrays import IntArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.orders import Side
from agv2.data.bars_file import read_bars
from agv2.features.bar_volatility import bar_volatility
from agv2.features.labels.breakout import Pattern, breakout_labels
from agv2.features.labels.level_reaction import Reaction, level_reactions
from agv2.features.labels.regime import Regime, regime_labels
from agv2.features.labels.triple_barrier import BarrierOutcome, triple_barrier
from agv2.features.support_resistance import level_density, nearest_levels

HORIZON, STOP_SIGMAS, TARGET_SIGMAS = 24, 2.5, 5.0
MOST_SHARE = 0.9

Shares = dict[str, list[float]]


def label_shares(bars: Bars) -> Shares:
    """Share of each class among the known labels, by family; of the patterns also the share of bars that have one."""
    prices = (bars.high, bars.low, bars.close)
    sigma = bar_volatility(bars.close)
    levels = nearest_levels(level_density(*prices, sigma))
    patterns = breakout_labels(*prices, sigma, levels)
    barrier = (HORIZON, STOP_SIGMAS, TARGET_SIGMAS)
    return {
        "regime": shares(regime_labels(bars.close, sigma), Regime),
        "long": shares(triple_barrier(*prices, sigma, *barrier, Side.LONG).outcome, BarrierOutcome),
        "short": shares(triple_barrier(*prices, sigma, *barrier, Side.SHORT).outcome, BarrierOutcome),
        "reaction": shares(level_reactions(*prices, sigma).ravel(), Reaction),
        "pattern": shares(patterns, Pattern),
        "touching": [float((patterns != Pattern.UNKNOWN).mean())],
    }


def shares(labels: IntArray, classes: type[IntEnum]) -> list[float]:
    """Share of each class but UNKNOWN."""
    counts = np.bincount(labels[labels >= 0], minlength=len(classes) - 1)
    return [float(count) / max(int(counts.sum()), 1) for count in counts]


def main() -> None:
    """Print a row for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    files: list[Path] = parser.parse_args().files
    print("Shares in % of: regime trend/consolidation/volatile; triple barrier stop/time/target")
    print(f"({HORIZON} bars, {STOP_SIGMAS:g} and {TARGET_SIGMAS:g} volatilities); reaction none/broke/reacted;")
    print("pattern neither/breakout/reversal; bars that touch a level.\n")
    print("| file | bars | regime | long | short | reaction | pattern | touching | faults |")
    print("|---|---:|---|---|---|---|---|---:|---|")
    for path in files:
        try:
            bars = read_bars(path).bars
        except DataError as error:
            print(f"| {path.name} | – | {error} | | | | | | |")
            continue
        found = label_shares(bars)
        cells = ["/".join(f"{100 * share:.0f}" for share in each) for each in found.values()]
        faults = [
            name
            for name, each in found.items()
            if name != "touching" and not 0.0 < min(each) <= max(each) <= MOST_SHARE
        ]
        print(f"| {path.stem} | {len(bars):,} | {' | '.join(cells)} | {', '.join(faults) or '–'} |", flush=True)


if __name__ == "__main__":
    main()
