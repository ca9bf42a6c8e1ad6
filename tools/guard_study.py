"""How often each guard raises a false alarm in quiet trading, and how soon it notices what it is for.

    python -m tools.guard_study --out docs/studies/guards.json
    python -m tools.guard_study --table

Years of quiet trading are simulated (`tools/guard_worlds.py`), and the shipped guards with the shipped settings run
over them; after an alarm a guard is re-armed at once. Then each cause is injected and the time to the alarm counted.
Seeded; about ten minutes on one core.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from agv2.backtest.atomic_files import write_atomically
from agv2.backtest.rule_rates import Rate
from agv2.deploy.guards_config import GuardsConfig
from agv2.utils.config import load_config
from tools.guard_trials import TRIALS, Trial

__all__ = ["main", "study", "table"]

STUDY = Path(__file__).resolve().parents[1] / "docs/studies/guards.json"
SEED = 7


def study(scale: float, seed: int, tell: Callable[[str], None], only: tuple[str, ...] = ()) -> dict[str, Any]:
    """Every guard's rates and delays.

    Args:
        scale: share of the full study's worlds.
        seed: of everything.
        tell: told what is under way.
        only: names of trials; empty for all.
    """
    config = load_config(GuardsConfig, "guards")
    found = {}
    for number, (name, run) in enumerate(TRIALS.items()):
        if only and name not in only:
            continue
        tell(f"{name} ({number + 1} of {len(TRIALS)} guards)")
        found[name] = as_document(run(config, scale, seed, tell))
    return {"seed": seed, "scale": scale, "guards": found}


def as_document(trial: Trial) -> dict[str, Any]:
    """Rates and delays as plain values."""
    rate = Rate.of(trial.alarms, trial.quiet_days)
    return {
        "quiet": trial.quiet,
        "quiet_days": trial.quiet_days,
        "false_alarms": trial.alarms,
        "per_day": rate.rate,
        "per_day_low": rate.low,
        "per_day_high": rate.high,
        "designed_days": trial.designed_days,
        "causes": {cause: _delays(delays, trial.unit) for cause, delays in trial.delays.items()},
    }


def _delays(delays: list[float], unit: str) -> dict[str, Any]:
    known = np.array([delay for delay in delays if np.isfinite(delay)])
    return {
        "unit": unit,
        "injected": len(delays),
        "noticed": int(known.size),
        "median": float(np.median(known)) if known.size else None,
        "ninth_decile": float(np.quantile(known, 0.9)) if known.size else None,
    }


def table(found: Mapping[str, Any]) -> str:
    """The study as two Markdown tables."""
    lines = [
        "| guard | quiet trading | days | false alarms | a day | 95 % interval | one in | designed for one in |",
        "|---|---|---:|---:|---:|---|---:|---:|",
    ]
    for name, one in found["guards"].items():
        alarms, days = one["false_alarms"], one["quiet_days"]
        every = f"{days / alarms:,.0f} days" if alarms else f"more than {1.0 / one['per_day_high']:,.0f} days"
        designed = "–" if one["designed_days"] is None else f"{one['designed_days']:,.0f} days"
        share = f"{one['per_day']:.2%} | {one['per_day_low']:.2%} to {one['per_day_high']:.2%}"
        lines.append(f"| {name} | {one['quiet']} | {days:,} | {alarms} | {share} | {every} | {designed} |")
    lines += ["", "| guard | cause | noticed | median delay | nine in ten within |", "|---|---|---:|---:|---:|"]
    for name, one in found["guards"].items():
        for cause, delay in one["causes"].items():
            times = ["–", "–"]
            if delay["noticed"]:
                times = [f"{delay[key]:.3g} {delay['unit']}" for key in ("median", "ninth_decile")]
            lines.append(f"| {name} | {cause} | {delay['noticed']} of {delay['injected']} | {' | '.join(times)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=STUDY, help="where the study is kept")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full number of worlds")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", nargs="+", choices=list(TRIALS), default=[])
    parser.add_argument("--table", action="store_true", help="print what is known, measure nothing")
    asked = parser.parse_args()
    if not asked.table:
        found = study(asked.scale, asked.seed, lambda text: print(text, file=sys.stderr), tuple(asked.only))
        if asked.only and asked.out.is_file():  # the others stay as they were measured
            known = json.loads(asked.out.read_text(encoding="utf-8"))
            guards = {**known["guards"], **found["guards"]}
            found["guards"] = {name: guards[name] for name in TRIALS if name in guards}
        write_atomically(asked.out, json.dumps(found, indent=1) + "\n")
    print(table(json.loads(asked.out.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
