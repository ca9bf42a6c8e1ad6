"""Print how often each label class occurs on given bars, and name the classes that are empty or above 90 %.

    python tools/label_balance.py bars/XAUUSD_1h.parquet bars/US30_5m.parquet

The last but one column is what the heat map knows of the reactions: of the bands at one distance that were decided,
the chance that one where price turned has more density than one that broke, mean over the distances; 50 % is nothing.
"""

import argparse
from pathlib import Path

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.errors import DataError
from agv2.data.bars_file import read_bars
from agv2.features.bar_volatility import bar_volatility
from agv2.features.labels.bar_labels import bar_labels, class_shares
from agv2.features.labels.level_reaction import REACTION_BINS, Reaction
from agv2.features.labels.triple_barrier import HORIZON, STOP_SIGMAS, TARGET_SIGMAS
from agv2.features.support_resistance import HEATMAP_BINS, level_density, nearest_levels

MOST_SHARE = 0.9


def density_against_reactions(density: FloatArray, reaction: IntArray) -> float:
    """Mean over the bands of the area under the ROC curve of the density, turned against broken through."""
    first = (HEATMAP_BINS - 2 * REACTION_BINS) // 2
    heat = density[:, first : first + 2 * REACTION_BINS].reshape(-1, REACTION_BINS, 2).mean(axis=2)
    areas = []
    for band, labels in zip(heat.T, reaction.T, strict=True):
        decided = (labels > Reaction.NONE) & ~np.isnan(band)
        values, place = np.unique(band[decided], return_inverse=True)
        turned = np.bincount(place[labels[decided] == Reaction.REACTED], minlength=values.size)
        broke = np.bincount(place[labels[decided] == Reaction.BROKE_THROUGH], minlength=values.size)
        below = np.cumsum(broke) - 0.5 * broke  # ties count half
        if turned.any() and broke.any():
            areas.append(float((turned * below).sum() / (turned.sum() * broke.sum())))
    return float(np.mean(areas)) if areas else np.nan


def main() -> None:
    """Print a row for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    files: list[Path] = parser.parse_args().files
    print("Shares in % of: regime trend/consolidation/volatile; triple barrier stop/time/target")
    print(f"({HORIZON} bars, {STOP_SIGMAS:g} and {TARGET_SIGMAS:g} volatilities); reaction none/broke/reacted;")
    print("pattern neither/breakout/reversal; bars that touch a level.\n")
    print("| file | bars | regime | long | short | reaction | pattern | touching | density | faults |")
    print("|---|---:|---|---|---|---|---|---:|---:|---|")
    for path in files:
        try:
            bars = read_bars(path).bars
        except DataError as error:
            print(f"| {path.name} | – | {error} | | | | | | | |")
            continue
        sigma = bar_volatility(bars.close)
        density = level_density(bars.high, bars.low, bars.close, sigma)
        labels = bar_labels(bars, sigma, nearest_levels(density))
        shares = class_shares(labels)
        cells = ["/".join(f"{100 * share:.0f}" for share in each) for each in shares.values()]
        cells += [f"{100 * (labels.pattern >= 0).mean():.0f}"]
        cells += [f"{100 * density_against_reactions(density, labels.reaction):.0f}"]
        faults = ", ".join(name for name, each in shares.items() if not 0.0 < each.min() <= each.max() <= MOST_SHARE)
        print(f"| {path.stem} | {len(bars):,} | {' | '.join(cells)} | {faults or '–'} |", flush=True)


if __name__ == "__main__":
    main()
