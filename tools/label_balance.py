"""Print how often each label class occurs on given bars, and name the classes that are empty or above 90 %.

python tools/label_balance.py bars/XAUUSD_1h.parquet bars/US30_5m.parquet
"""

import argparse
from pathlib import Path

from agv2.core.errors import DataError
from agv2.data.bars_file import read_bars
from agv2.features.bar_volatility import bar_volatility
from agv2.features.labels.bar_labels import bar_labels, class_shares
from agv2.features.labels.triple_barrier import HORIZON, STOP_SIGMAS, TARGET_SIGMAS
from agv2.features.support_resistance import level_density, nearest_levels

MOST_SHARE = 0.9


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
        sigma = bar_volatility(bars.close)
        labels = bar_labels(bars, sigma, nearest_levels(level_density(bars.high, bars.low, bars.close, sigma)))
        shares = class_shares(labels)
        cells = ["/".join(f"{100 * share:.0f}" for share in each) for each in shares.values()]
        touching = f"{100 * (labels.pattern >= 0).mean():.0f}"
        faults = ", ".join(name for name, each in shares.items() if not 0.0 < each.min() <= each.max() <= MOST_SHARE)
        print(f"| {path.stem} | {len(bars):,} | {' | '.join(cells)} | {touching} | {faults or '–'} |", flush=True)


if __name__ == "__main__":
    main()
