"""One trial of all of `agv2 run` on a market whose truth is known."""

import json
import tempfile
from pathlib import Path

from agv2.app.run import run
from agv2.app.run_plan import RunRequest
from agv2.app.settings import Settings
from agv2.app.truth.markets import NO_COSTS, TruthCell, TruthTrial, truth_bars
from agv2.data.bars_file import write_bars
from agv2.utils.config import Override

__all__ = ["whole_run_trial"]


def whole_run_trial(cell: TruthCell, symbol: str, seed: int, n_bars: int, settings: Settings) -> TruthTrial:
    """Make a market and let `agv2 run --profile quick` train, trade and judge; only its verdict is kept.

    The market is new, so the ledger of the project home counts one trial on it.

    Args:
        cell: kind of market.
        symbol: of the synthetic instruments.
        seed: of the market and of the run.
        n_bars: of 1h.
        settings: of the run.
    """
    bars = truth_bars(cell, symbol, seed, n_bars, settings)
    costs = {} if cell.costs else NO_COSTS
    with tempfile.TemporaryDirectory() as folder:
        path, config, out = (Path(folder) / name for name in (f"{symbol}_1h.parquet", "config", "run"))
        write_bars(bars, path)
        settings.save(config)
        free = tuple(Override("costs", (symbol, name), value) for name, value in costs.items())
        run(RunRequest((path,), out, seed=seed, config_dir=config, overrides=free, quiet=True))
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    oos = summary["oos"]
    n_days = round(oos["trades"] / oos["trades_per_day"]) if oos["trades"] else 0
    dsr = summary["significance"]["dsr"]
    return TruthTrial(cell.name, symbol, seed, summary["verdict"], oos["sharpe"], dsr, None, n_days, oos["trades"])
