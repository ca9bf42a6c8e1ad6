"""Does attribution name what was planted? Small runs on markets whose edge is known, and what their entries came from.

Usage: python tools/attribution_study.py [--bars N] [--seed N] [--edges EDGE...] [--json FILE]
       python tools/attribution_study.py --cost RUN

Each edge is planted in gold at full strength; an encoder and a policy are trained on half of the usable bars and trade
the rest, as a run of profile `quick` with one fold and far fewer steps does, which may not abstain. Printed are, for
each edge,

* the part of entries on the side of the planted drift (one half is chance): attribution can only name what was learnt,
* what part of the sizes of all shares (integrated gradients) lies on each kind of feature, beside its part of columns
  and beside the same market without the edge, bar for bar of the same shocks: what is learnt there is noise,
* the mean fall of an entry's log-odds when the kind is erased, as a part of the log-odds themselves,
* the same when price stands still in the last 24 candles, and in the 72 before them, with every feature computed anew,
* where drift was planted in spells (momentum): what part of the effect of single candles lies inside the present spell,
  beside what would lie there were the spells those of other entries.

A few minutes of one core an edge; the same arguments give the same figures. With --cost, the processor time that the
attribution of an entry of a finished run takes, by its own features alone and through the encoder.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from agv2.app.entry_saliency import STATE_FIELDS, side_odds
from agv2.app.explanation import trades_of
from agv2.app.fold_walk import Walked, stages_of, walk
from agv2.app.progress import RunProgress
from agv2.app.remade_decision import remake_decision
from agv2.app.run_log import run_log
from agv2.app.run_plan import RunPlan, RunRequest, make_plan
from agv2.app.run_store import RunStore
from agv2.app.workers.in_process import InProcessPool
from agv2.backtest.attribution import integrated_gradients
from agv2.backtest.candle_erasure import candle_stretches, erase_candles
from agv2.backtest.erasure import grouped_erasure
from agv2.backtest.report.reading import read_run
from agv2.backtest.saliency_summary import summarise_saliency
from agv2.core.arrays import BoolArray, Float32Array, FloatArray
from agv2.core.bars import Bars
from agv2.data.bars_file import write_bars
from agv2.data.config import MarketsConfig
from agv2.data.synthetic_markets.market import InstrumentMarket, MarketRequest, instrument_market
from agv2.data.synthetic_markets.strengths import STRONG
from agv2.features.families import FAMILIES, family_masks
from agv2.features.pipeline import compute_features
from agv2.models.threads import torch_threads
from agv2.utils.config import load_config, parse_override

__all__ = ["main", "studied"]

SYMBOL = "XAUUSD"
EDGES = ("none", "momentum", "reversion", "session", "levels")
PLANTED = {"momentum": "returns", "reversion": "returns", "session": "clock", "levels": "levels"}
SETTINGS = (
    "folds=1", "encoder_steps=30", "cross_fit_blocks=0", "policy_steps=4096", "may_abstain=false",
)  # fmt: skip
MOST_CANDLES, ASKED_ENTRIES = 96, 20
RECENT = [(1, 24), (25, 96)]


def studied(edge: str, n_bars: int, seed: int) -> dict[str, Any]:
    """What the entries of one small walk on a market with a planted edge came from.

    Args:
        edge: one of `EDGES`.
        n_bars: of the market, hourly.
        seed: of the market and of everything trained on it.
    """
    request = MarketRequest(SYMBOL, edge, 0.0 if edge == "none" else STRONG, n_bars=n_bars, seed=seed)
    made = instrument_market(request, load_config(MarketsConfig, "markets").entry(SYMBOL)[0])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{SYMBOL}_1h.parquet"
        write_bars(made.bars, path)
        overrides = tuple(parse_override(f"backtest.profiles.quick.{one}") for one in SETTINGS)
        plan = make_plan(RunRequest(bars=(path,), out=Path(folder) / "run", seed=seed, overrides=overrides))
        store = RunStore(plan.request.out)
        log = run_log(plan.request.out, plan.trial)
        with log, store.locked(), torch_threads(1), RunProgress(stages_of(plan)) as progress:
            store.open_state({}, {})
            walked = walk(plan, store, InProcessPool(plan, progress), progress)
    found = summarise_saliency(walked.saliency[0])
    columns = family_masks(plan.markets[0].features.columns)
    document: dict[str, Any] = {
        "edge": edge, "n_bars": n_bars, "seed": seed,
        "entries": 0 if found is None else found.n_entries,
        "columns": {family: float(mask.mean()) for family, mask in columns.items()},
    }  # fmt: skip
    if found is None:
        return document
    odds = float(walked.saliency[0]["log_odds"].mean())  # type: ignore[arg-type]  # of a float column
    document |= {
        "shares": found.shares,
        "erased_part": {name: fall / odds for name, fall in found.erased.items()},
        "agreement": found.agreement,
        "gap": found.gap,
        "last_bar": found.last_bar,
    }
    with torch_threads(1):
        document |= asked_again(plan, walked, made)
    return document


def asked_again(plan: RunPlan, walked: Walked, made: InstrumentMarket) -> dict[str, float]:
    """Some entries asked about their candles, with a flat book; and all of them about the planted drift."""
    market, encoder = plan.markets[0], walked.encoder
    entries = walked.saliency[0].sort("ts")
    bars = np.searchsorted(market.bars.ts_ns, entries["ts"].dt.epoch("ns").to_numpy())
    sides, drift = entries["side"].to_numpy(), made.drift[np.minimum(bars + 1, len(made.drift) - 1)]
    found: dict[str, float] = {}
    if (drift != 0.0).any():
        found["on_its_side"] = float((sides * drift > 0.0)[drift != 0.0].mean())
    stretches = [one for one in candle_stretches(encoder.pretrained.config.window) if one[1] <= MOST_CANDLES]
    in_spells = made.request.edge == "momentum"
    usable = [i for i, bar in enumerate(bars.tolist()) if not in_spells or made.direction[bar] != 0]
    flat, back = np.zeros(len(STATE_FIELDS), dtype=np.float32), np.arange(1, MOST_CANDLES + 1)
    odds_of, recent, effects, masks = [], [], [], []
    for i in np.unique(np.linspace(0, len(usable) - 1, ASKED_ENTRIES).round().astype(int)).tolist():
        bar = int(bars[usable[i]])
        odds = side_odds(market, encoder, walked.policy, int(sides[usable[i]]))
        history, window_of = market.bars.slice(bar - market.first_decision, bar + 1), _window_maker(plan, walked)
        odds_of.append(float(odds.of(window_of(history)[np.newaxis], flat[np.newaxis])[0]))
        recent.append(erase_candles(odds.of, history, flat, window_of, RECENT))
        if in_spells:
            falls = erase_candles(odds.of, history, flat, window_of, stretches)
            effects.append(_per_candle(falls, stretches, back))
            masks.append(_spell(made.direction, bar, back))
    parts = np.mean(recent, axis=0) / np.mean(odds_of)
    found |= {"asked": len(odds_of), "last_24": float(parts[0]), "72_before": float(parts[1])}
    if in_spells:
        inside = np.array([[effect[mask].sum() / effect.sum() for mask in masks] for effect in effects])
        own = np.eye(len(masks), dtype=bool)
        found |= {"in_own_spell": float(inside[own].mean()), "in_others": float(inside[~own].mean())}
    return found


def print_cost(run_dir: Path) -> None:
    """Seconds of one core for the first, middle and last trade of a run."""
    record = read_run(run_dir)
    trades = trades_of(record)
    for trade in (trades[0], trades[len(trades) // 2], trades[-1]):
        remade = remake_decision(run_dir, record, trade)
        families = family_masks(remade.market.features.columns)
        odds, taken = remade.odds, []
        for through_encoder in (False, True):
            odds.reads_window = through_encoder
            integrated_gradients(odds, *remade.inputs)  # captum's import, and torch's first call
            began = time.process_time()
            integrated_gradients(odds, *remade.inputs)
            grouped_erasure(odds.of, *remade.inputs, families)
            taken.append(time.process_time() - began)
        print(f"{trade.symbol} {trade.decided_ns}: own bar {taken[0]:.3f} s, whole window {taken[1]:.3f} s")


def _window_maker(plan: RunPlan, walked: Walked) -> Any:
    market = plan.markets[0]

    def window_of(bars: Bars) -> Float32Array:
        values = compute_features(bars, market.instrument.calendar).values
        return walked.encoder.normalizer.transform(values[-walked.encoder.pretrained.config.window :])

    return window_of


def _per_candle(falls: FloatArray, stretches: list[tuple[int, int]], back: Any) -> FloatArray:
    """Size of the effect of each candle, that of a stretch shared by its candles."""
    effect = np.zeros(len(back))
    for fall, (near, far) in zip(np.abs(falls).tolist(), stretches, strict=True):
        effect[near - 1 : far] = fall / (far - near + 1)
    return effect


def _spell(planted: Any, bar: int, back: Any) -> BoolArray:
    """Which candles back from a bar lie in the spell that it belongs to."""
    same = planted[bar - back + 1] == planted[bar]
    return np.asarray(np.cumprod(same), dtype=bool)


def main(arguments: list[str] | None = None) -> int:
    """Run the study and print it."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--bars", type=int, default=9_000)
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--edges", nargs="+", choices=EDGES, default=list(EDGES))
    parser.add_argument("--json", type=Path, help="where to keep the figures; edges that are there are not done again")
    parser.add_argument("--cost", type=Path, metavar="RUN", help="measure the cost on a finished run instead")
    wanted = parser.parse_args(arguments)
    if wanted.cost is not None:
        with torch_threads(1):
            print_cost(wanted.cost)
        return 0
    kept: dict[str, Any] = {}
    if wanted.json is not None and wanted.json.is_file():
        kept = json.loads(wanted.json.read_text(encoding="utf-8"))
    os.environ.pop("AGV2_SMOKE", None)
    for edge in wanted.edges:
        key = f"{edge} {wanted.bars} {wanted.seed}"
        if key not in kept:
            kept[key] = studied(edge, wanted.bars, wanted.seed)
            if wanted.json is not None:
                wanted.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print_table([kept[f"{edge} {wanted.bars} {wanted.seed}"] for edge in wanted.edges])
    return 0


def print_table(found: list[dict[str, Any]]) -> None:
    """The figures as docs/explain.md has them."""
    groups = [*FAMILIES, "state of the book"]
    columns = found[0]["columns"]
    print(f"| edge | entries | on its side | {' | '.join(groups)} | last 24 candles | 72 before | agreement |")
    print("|---|---:|---:|" + "---:|" * (len(groups) + 3))
    print(f"| part of the columns | | | {' | '.join(f'{columns[f]:.0%}' for f in FAMILIES)} | | | | |")
    for one in found:
        if not one["entries"]:
            print(f"| {one['edge']} | 0 |{' |' * (len(groups) + 4)}")
            continue
        cells = []
        for group in groups:
            text = f"{one['shares'][group]:.0%} · {one['erased_part'][group]:+.0%}"
            cells.append(f"**{text}**" if PLANTED.get(one["edge"]) == group else text)
        cells += [f"{one['last_24']:+.0%}", f"{one['72_before']:+.0%}", f"{one['agreement']:+.2f}"]
        side = f"{one['on_its_side']:.0%}" if "on_its_side" in one else "–"
        print(f"| {one['edge']} | {one['entries']} | {side} | {' | '.join(cells)} |")
    for one in found:
        if "in_own_spell" in one:
            print(
                f"\n{one['edge']}: of the effect of the last {MOST_CANDLES} candles, {one['in_own_spell']:.0%} lies in "
                f"the present spell, {one['in_others']:.0%} in those of other entries ({one['asked']} entries)"
            )


if __name__ == "__main__":
    sys.exit(main())
