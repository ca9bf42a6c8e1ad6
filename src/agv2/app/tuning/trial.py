"""One fold of one trial: trained on bars before it, then traded.

`measured_fold` takes and returns plain values, reads bars from files that end before the first test bar of the run,
and knows nothing of the study: any process may call it.
"""

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agv2.app.baseline_accounts import baseline_rows
from agv2.app.fold_walk import stages_of, walk
from agv2.app.market_preparation import as_known_after, prepare_markets
from agv2.app.progress import RunProgress, StageWork
from agv2.app.results import VOLATILITY_TARGETED
from agv2.app.run_plan import RunPlan, RunRequest, cut_folds
from agv2.app.settings import load_settings
from agv2.app.tuning.space import Value, as_override
from agv2.app.tuning.trial_store import TrialStore, encoder_digest
from agv2.app.workers.in_process import InProcessPool
from agv2.backtest.atomic_files import write_atomically
from agv2.backtest.evaluation import evaluate
from agv2.backtest.trial_ledger import Trial, data_digest
from agv2.models.threads import torch_threads
from agv2.utils.seeding import spawn_seed

__all__ = ["MeasuredFold", "TrialTask", "measured_fold", "trial_plan"]

Told = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class TrialTask:
    """Everything that a worker needs to know of a trial."""

    bars: tuple[Path, ...]
    """Files that hold no bar of the run's tests."""
    symbols: tuple[str, ...]
    config_dir: Path
    """Settings that all trials start from, complete."""
    parameters: tuple[tuple[str, Value], ...]
    """Dotted settings that this trial changes."""
    profile: str
    seed: int
    n_folds: int
    first_train_frac: float
    accept_defects: bool
    work: Path
    """Directory for what may be deleted once the study is done."""

    @property
    def digest(self) -> str:
        """Names what is kept of the trial while it works."""
        return hashlib.sha256(json.dumps(self.parameters).encode()).hexdigest()[:16]


class MeasuredFold(NamedTuple):
    """What a trial did on the test bars of one inner fold."""

    days: tuple[int, ...]
    """Trading days, rising."""
    returns: tuple[float, ...]
    """Simple return of each."""
    excess: tuple[float, ...]
    """The same in excess of volatility-targeted buy and hold."""
    days_per_year: float


def measured_fold(task: TrialTask, fold: int, told: Told = lambda fraction, words: None) -> MeasuredFold:
    """Train on the bars before an inner test fold, and trade it; from disk where that was done before.

    Args:
        task: the trial.
        fold: from 1.
        told: the share done, and what is being done.

    Raises:
        AGV2Error: the settings contradict each other, or leave too few bars.
        FloatingPointError: training left the finite numbers.
    """
    folder = task.work / "trials" / task.digest / str(fold)
    done = folder / "measured.json"
    if done.is_file():
        return _read(done)
    plan = trial_plan(task)
    own = tuple((folds[fold - 1],) for folds in plan.folds)
    one = plan.profile.model_copy(update={"folds": 1, "bundle": "last_fold"})
    seed = spawn_seed(task.seed, f"tuning fold {fold}")
    plan = replace(plan, folds=own, profile=one, request=replace(plan.request, out=folder, seed=seed))
    encoders = task.work / "encoders" / encoder_digest(plan.settings.encoder, plan.profile, seed) / str(fold)
    store = TrialStore(folder, encoders)
    with store.locked(), torch_threads(1), _HeardProgress(stages_of(plan)[:-3], told) as progress:
        store.open_state({}, {})
        (rows,) = walk(plan, store, InProcessPool(plan, progress), progress).rows
    calendars = {market.bars.symbol: market.instrument.calendar for market in plan.markets}
    found = evaluate(rows, calendars).oos
    hold = evaluate(baseline_rows(VOLATILITY_TARGETED, plan), calendars).oos
    if not np.isfinite(found.returns).all():
        raise FloatingPointError("returns are not finite")
    measured = MeasuredFold(
        days=tuple(found.days.tolist()),
        returns=tuple(found.returns.tolist()),
        excess=tuple((found.returns - hold.returns).tolist()),
        days_per_year=found.trading_days_per_year,
    )
    write_atomically(done, json.dumps(measured._asdict(), allow_nan=False))
    return measured


@functools.lru_cache(maxsize=1)
def trial_plan(task: TrialTask) -> RunPlan:
    """A trial as a run over the inner folds.

    Raises:
        ConfigError: the settings contradict each other.
        DataError: they leave too few bars for the folds.
    """
    settings = load_settings(task.config_dir, [as_override(*each) for each in task.parameters])
    profile = settings.backtest.profiles[task.profile]  # type: ignore[index]  # one of the five names
    markets = prepare_markets(task.bars, task.symbols, settings, accept_defects=task.accept_defects)
    folds = cut_folds(markets, settings, task.n_folds, task.first_train_frac)
    known = tuple(as_known_after(market, settings, own[0].test_lo) for market, own in zip(markets, folds, strict=True))
    symbols = [market.bars.symbol for market in known]
    return RunPlan(
        request=RunRequest(bars=task.bars, out=task.work, symbols=task.symbols, seed=task.seed, quiet=True),
        settings=settings,
        profile_name=task.profile,
        profile=profile,
        markets=known,
        folds=folds,
        trial=Trial(
            data_digest([market.content_hash for market in known]), settings.digest(symbols, task.profile), task.seed
        ),
        notes=(),
    )


def _read(path: Path) -> MeasuredFold:
    kept = json.loads(path.read_text(encoding="utf-8"))
    days, returns, excess = (tuple(kept[name]) for name in ("days", "returns", "excess"))
    return MeasuredFold(days, returns, excess, float(kept["days_per_year"]))


class _HeardProgress(RunProgress):
    """The progress of a run that nobody sees, told on."""

    def __init__(self, stages: list[StageWork], told: Told) -> None:
        super().__init__(stages, quiet=True)
        self._told = told

    def update(self, fraction: float, detail: str = "") -> None:
        """As a run's, and told on."""
        super().update(fraction, detail)
        share = (self._done + self._current * min(max(fraction, 0.0), 1.0)) / self._total
        self._told(share, self._bar.tasks[0].description.partition(": ")[2])
