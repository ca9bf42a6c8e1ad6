"""What the whole pipeline earns on markets with a planted edge, of what an oracle that knows the rule would earn.

    python tools/planted_edges.py --out study --profile quick --strength strong --seeds 301 302
    python tools/planted_edges.py --table

Each cell is `agv2 run` on a synthetic market that it is told nothing about, at 2.5 bp a side and no financing; the
oracle is a filter with the true parameters that pays the same and is read on the same test bars; that of levels infers
which extremes count, and what it would earn if it were told stands beside it. *By drift* both are paid the planted
drift of each bar in the place of its return: what five years of test bars really paid is luck by half.
A cell that is known is not made again, so a study may be stopped and gone on with; docs/studies/planted_edges.jsonl
knows, with the digest of the sources; `--again` makes it with the sources of now, in the place of what was known.
`--edge none` is the control.
"""

import argparse
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from agv2.app.run import run
from agv2.app.run_plan import RunRequest
from agv2.backtest.atomic_files import write_atomically
from agv2.data.bars_file import write_bars
from agv2.data.config import MarketsConfig
from agv2.data.synthetic_markets.level_filter import inferred_level_positions
from agv2.data.synthetic_markets.market import InstrumentMarket, MarketRequest, instrument_market
from agv2.data.synthetic_markets.oracle import SIDE_COST_FRAC, oracle_positions
from agv2.data.synthetic_markets.strengths import EDGES, STRONG, WEAK
from agv2.utils.config import load_config, parse_override

CELLS = Path(__file__).resolve().parents[1] / "docs/studies/planted_edges.jsonl"
STRENGTHS = {"strong": STRONG, "weak": WEAK}
FREE = ("slippage_frac", "commission_frac", "commission_per_lot", "financing_long_frac_per_night")


def market_of(symbol: str, edge: str, strength: str, seed: int, n_bars: int) -> InstrumentMarket:
    """The market of one cell."""
    config = load_config(MarketsConfig, "markets").entry(symbol)[0]
    how = 0.0 if edge == "none" else STRENGTHS[strength]
    return instrument_market(MarketRequest(symbol, edge, strength=how, n_bars=n_bars, seed=seed), config)


def sharpe(returns: np.ndarray, bars_per_year: float) -> float:
    """Annual; 0 for an account that never moved."""
    spread = float(returns.std())
    return float(returns.mean()) / spread * math.sqrt(bars_per_year) if spread > 0.0 else 0.0


def held_sharpe(market: InstrumentMarket, side: np.ndarray, lo: int, hi: int, per_year: float) -> float:
    """Annual and net, of positions held through bars `lo` + 1 to `hi`."""
    close = market.bars.close[lo : hi + 1]
    held = side[lo : hi + 1]
    return sharpe(held[1:] * (close[1:] / close[:-1] - 1.0) - SIDE_COST_FRAC * np.abs(np.diff(held)), per_year)


def sharpe_by_drift(market: InstrumentMarket, held: np.ndarray, lo: int, hi: int, per_year: float) -> float:
    """Annual and net, of weights held through bars `lo` + 1 to `hi`, paid the planted drift: no luck is in it."""
    weights = held[lo : hi + 1]
    paid = weights[1:] * market.drift[lo + 1 : hi + 1] - SIDE_COST_FRAC * np.abs(np.diff(weights))
    risk = math.sqrt(float(np.mean((weights[1:] * market.sigma[lo + 1 : hi + 1]) ** 2)))
    return float(paid.mean()) / risk * math.sqrt(per_year) if risk > 0.0 else 0.0


def cell(market: InstrumentMarket, folder: Path, profile: str, seed: int) -> dict[str, float]:
    """Run one market and hold it against the oracle on its test bars."""
    symbol, bars = market.bars.symbol, market.bars
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{symbol}_{bars.timeframe.name}.parquet"
    write_bars(bars, path)
    costs = {**dict.fromkeys((*FREE, "financing_short_frac_per_night"), 0.0), "half_spread_frac": SIDE_COST_FRAC}
    settings = [f"costs.{symbol}.{name}={value}" for name, value in costs.items()]
    overrides = tuple(parse_override(one) for one in [*settings, f"costs.{symbol}.spread_source=constant"])
    out = folder / "run"
    outcome = run(RunRequest((path,), out, profile=profile, seed=seed, overrides=overrides, resume=out.exists()))
    equity = pl.read_parquet(out / "oos" / "equity.parquet").filter(pl.col("symbol") != "ACCOUNT")
    fills = pl.read_parquet(out / "oos" / "fills.parquet")
    stamps = equity["ts"].dt.epoch("ns").to_numpy()
    lo, hi = (int(i) for i in np.searchsorted(bars.ts_ns, [stamps[0], stamps[-1]]))
    per_year = (hi - lo) * 365.25 * 86_400e9 / float(bars.ts_ns[hi] - bars.ts_ns[lo])
    oracle = oracle_positions(market)
    # Of levels the oracle is told which extremes count; this one has to find out, as the agent does.
    knows = inferred_level_positions(market) if market.request.edge == "levels" else oracle
    money = equity["equity"].to_numpy()
    held = np.zeros(len(bars))
    held[lo : hi + 1] = equity["units"].to_numpy() * bars.close[lo : hi + 1] / money
    traded = float((fills["units"] * fills["mid"]).sum()) / float(money.mean()) / (hi - lo)
    return {
        "oracle": held_sharpe(market, oracle, lo, hi, per_year),
        "attainable": held_sharpe(market, knows, lo, hi, per_year),
        "sharpe": sharpe(np.diff(np.log(money)), per_year), "turnover": traded,
        "attainable_by_drift": sharpe_by_drift(market, knows, lo, hi, per_year),
        "sharpe_by_drift": sharpe_by_drift(market, held, lo, hi, per_year),
        "net": float(money[-1] / money[0] - 1.0), "fills": float(len(fills)), "bars": float(hi - lo),
        "costs": float((fills["side"] * (fills["price"] - fills["mid"]) * fills["units"]).sum() / money[0]),
        "seconds": float(sum(json.loads((outcome.out / "summary.json").read_text())["runtime_s"].values())),
    }  # fmt: skip


def table(found: Sequence[Mapping[str, Any]]) -> None:
    """Print every cell that is there, and the medians."""
    print(
        "| profile | edge | strength | market | oracle | agent | share | by drift | turned | net | minutes | sources |"
    )
    print("|---|---|---|---|---:|---:|---:|---|---:|---:|---:|---|")
    groups: dict[tuple[str, str, str], list[dict[str, float]]] = {}
    for one in found:
        kind, got = (one["profile"], one["edge"], one["strength"]), one["found"]
        groups.setdefault(kind, []).append(got)
        ratio = f"{got['sharpe'] / got['attainable']:.2f}" if got["attainable"] else "–"
        told = "" if got["attainable"] == got["oracle"] else f" (told {got['oracle']:.2f})"
        shown = f"{got['attainable']:.2f}{told} | {got['sharpe']:.2f} | {ratio} | {by_drift(got)}"
        shown += f" | {got['turnover']:.3f} | {got['net']:+.1%}"
        made = f"{got['seconds'] / 60.0:.1f} | {one['sources'][:6]}"
        print(f"| {' | '.join(kind)} | {one['symbol']} {one['seed']} | {shown} | {made} |")
    for kind, cells in groups.items():
        ratios = [one["sharpe"] / one["attainable"] for one in cells if one["attainable"]]
        middle = f"median share {statistics.median(ratios):.2f}, " if ratios else ""
        luckless = [
            one["sharpe_by_drift"] / one["attainable_by_drift"] for one in cells if one.get("attainable_by_drift")
        ]
        middle += f"by drift {statistics.median(luckless):.2f} of {len(luckless)}, " if luckless else ""
        turnover = statistics.median(one["turnover"] for one in cells)
        print(f"{' '.join(kind)}: {middle}median turnover {turnover:.3f} a bar, {len(cells)} runs")


def by_drift(got: Mapping[str, float]) -> str:
    """Oracle, agent and share; a dash where a cell was made before they were kept."""
    if not got.get("attainable_by_drift"):
        return "–"
    most, own = got["attainable_by_drift"], got["sharpe_by_drift"]
    return f"{most:.2f}, {own:.2f}: {own / most:.2f}"


def is_of(one: Mapping[str, Any], kind: Mapping[str, Any]) -> bool:
    """Whether a cell is of this kind."""
    return all(one[name] == value for name, value in kind.items())


def known_cells(path: Path) -> list[dict[str, Any]]:
    """Cells of a study, in the order in which they were made."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    """Run what is missing, then print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where the runs go")
    parser.add_argument("--cells", type=Path, default=CELLS, help="the study: a line a cell")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--market", nargs="+", default=["XAUUSD"])
    parser.add_argument("--edge", nargs="+", choices=EDGES, default=list(EDGES[1:]))
    parser.add_argument("--strength", nargs="+", choices=list(STRENGTHS), default=["strong"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[301])
    parser.add_argument("--bars", type=int, default=60_000)
    parser.add_argument("--again", action="store_true", help="make known cells anew")
    parser.add_argument("--table", action="store_true", help="run nothing")
    asked = parser.parse_args()
    if not asked.table and asked.out is None:
        parser.error("--out DIR says where the runs go")
    for seed in [] if asked.table else asked.seeds:
        for edge, how, symbol in product(asked.edge, asked.strength, asked.market):
            kind = {"profile": asked.profile, "edge": edge, "strength": how, "symbol": symbol, "seed": seed}
            if asked.again or not any(is_of(one, kind) for one in known_cells(asked.cells)):
                folder = asked.out / asked.profile / f"{symbol}_{edge}_{how}_{seed}"
                found = cell(market_of(symbol, edge, how, seed, asked.bars), folder, asked.profile, seed)
                sources = json.loads((folder / "run" / "provenance.json").read_text())["code"]["sources"][:12]
                others = [one for one in known_cells(asked.cells) if not is_of(one, kind)]
                lines = [json.dumps(one) for one in [*others, {**kind, "sources": sources, "found": found}]]
                write_atomically(asked.cells, "\n".join(lines) + "\n")
    table(known_cells(asked.cells))


if __name__ == "__main__":
    main()
