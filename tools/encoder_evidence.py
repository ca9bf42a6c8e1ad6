"""Tabulate what `agv2 train encoder` found in several directories: each head against its best baseline.

    agv2 train encoder --bars bars/XAUUSD_1h.parquet --profile standard --seeds 3 --out found/XAUUSD_1h
    python tools/encoder_evidence.py found/*

A cell is the loss over that of the best of all baselines, less one, and what a block bootstrap over time says of it.
"""

import argparse
import json
from pathlib import Path
from typing import Any

HARD = ("GARCH-t", "HAR")


def cell(head: dict[str, Any]) -> str:
    """One head and horizon of one file."""
    best = min(head["comparisons"], key=lambda one: one["loss"])
    return f"{100.0 * (head['loss'] / best['loss'] - 1.0):+.1f} % {best['finding']} ({best['baseline']})"


def main() -> None:
    """Print the table and the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("found", nargs="+", type=Path)
    cells, ahead, worse, counts = 0, 0, [], 0
    for number, folder in enumerate(sorted(parser.parse_args().found)):
        heads = json.loads((folder / "evidence.json").read_text())["heads"]
        if number == 0:
            names = [" ".join(str(one[key]) for key in ("head", "horizon") if one[key]) for one in heads]
            print(f"| bars | {' | '.join(names)} | 90 % intervals cover |\n|---{'|---' * (len(names) + 1)}|")
        covered = [one["measures"]["coverage_90"] for one in heads if one["head"] == "quantiles"]
        print(f"| {folder.name} | {' | '.join(map(cell, heads))} | {min(covered):.1%} to {max(covered):.1%} |")
        for one in heads:
            counts += 1
            worse += [f"{folder.name} {one['head']}" for each in one["comparisons"] if each["finding"] == "worse"]
            if one["head"] == "quantiles":
                hard = [each["loss"] for each in one["comparisons"] if each["baseline"] in HARD]
                cells, ahead = cells + 1, ahead + (len(hard) == len(HARD) and one["loss"] < min(hard))
    print(f"\npinball below the best of {' and '.join(HARD)}: {ahead} of {cells} cells")
    print(f"worse than any baseline: {len(worse)} of {counts} counts {' '.join(worse)}")


if __name__ == "__main__":
    main()
