"""What a study is to do, checked and fixed before its first trial: its bars, where it starts, what it tries."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agv2.app.encoder_store import plain_name
from agv2.app.run_plan import SMOKE_TRAIN_FRAC, RunPlan, RunRequest, first_test_ns, make_plan
from agv2.app.settings import Settings, changed_settings
from agv2.app.tuned_record import TunedRecord
from agv2.app.tuning.config import TuningConfig, joined_space
from agv2.app.tuning.space import SearchSpace, Value, as_override, checked_space
from agv2.app.tuning.trial import TrialTask, trial_plan
from agv2.app.workers.opening import Workers
from agv2.backtest.provenance import source_digest
from agv2.backtest.trial_ledger import Trial
from agv2.core.bars import Bars
from agv2.core.errors import ConfigError
from agv2.data.bars_file import write_bars
from agv2.utils.config import Override, config_digest, load_config
from agv2.utils.environment import load_environment

__all__ = ["StudyPlan", "TuneRequest", "make_study_plan", "prepare_study"]

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,63}")
_SMOKE_FOLDS = 2


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """What the user asked for."""

    bars: tuple[Path, ...]
    symbols: tuple[str, ...] = ()
    """One a file, or none to take them from the file names."""
    profile: str = "quick"
    seed: int = 7
    n_trials: int = 20
    """Of the study in all, those of earlier calls included."""
    timeout_s: float | None = None
    study: str = ""
    """Its name; empty: one that says what is tuned."""
    storage: str = ""
    """`sqlite` or an address of PostgreSQL; empty: what `DATABASE_URL` names, else `sqlite`."""
    out: Path | None = None
    """For the results; None: the study's directory in the project home."""
    accept_defects: bool = False
    workers: Workers | None = None
    """Who does the trials; None: this process. No part of what a study is."""
    config_dir: Path | None = None
    overrides: tuple[Override, ...] = ()
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """Everything that is fixed before the first trial.

    Attributes:
        request: of the user.
        name: of the study.
        folder: of the study, in the project home.
        out: for the results.
        base: settings that trials start from.
        config_dir: of these.
        overrides: laid over them.
        symbols: in the order of the markets.
        profile: name of the run profile.
        tuning: what is tried, and how it is judged.
        space: the same, checked.
        seen: per symbol the bars that close before the first test bar of the run opens.
        data_end_ns: close of the last of them.
        first_test_ns: open of that test bar.
        test_days: trading days of the run's tests, as far as stamps tell.
        days_per_year: of them.
        data_hash: of all bars of the run, under which the ledger counts.
        identity: what must be the same when the study goes on, by the words a person knows it by.
        notes: for whoever reads the results.
    """

    request: TuneRequest
    name: str
    folder: Path
    out: Path
    base: Settings
    config_dir: Path | None
    overrides: tuple[Override, ...]
    symbols: tuple[str, ...]
    profile: str
    tuning: TuningConfig
    space: SearchSpace
    seen: tuple[Bars, ...]
    data_end_ns: int
    first_test_ns: int
    test_days: int
    days_per_year: float
    data_hash: str
    identity: Mapping[str, Any]
    notes: tuple[str, ...]

    def task(self, parameters: Mapping[str, Value]) -> TrialTask:
        """A trial of these settings, for a worker."""
        smoke = self.profile == "smoke"
        return TrialTask(
            bars=tuple(self.folder / "seen" / f"{number}.parquet" for number in range(len(self.seen))),
            symbols=self.symbols,
            config_dir=self.folder / "config",
            parameters=tuple(sorted(parameters.items())),
            profile=self.profile,
            seed=self.request.seed,
            n_folds=min(self.tuning.folds, _SMOKE_FOLDS) if smoke else self.tuning.folds,
            first_train_frac=SMOKE_TRAIN_FRAC if smoke else self.tuning.first_train_frac,
            accept_defects=self.request.accept_defects,
            work=self.folder / "work",
        )

    def settings(self, parameters: Mapping[str, Value]) -> Settings:
        """The settings of a trial, as a run would have them.

        Raises:
            ConfigError: they contradict each other.
        """
        changes = [as_override(*each) for each in parameters.items()]
        return changed_settings(self.base, self.config_dir, self.overrides, changes)

    def trial(self, parameters: Mapping[str, Value]) -> Trial:
        """The trial as the ledger counts it: a run of these settings, profile and seed is the same one.

        Raises:
            ConfigError: the settings contradict each other.
        """
        return Trial(self.data_hash, self.settings(parameters).digest(self.symbols, self.profile), self.request.seed)

    def record(self, trials: int) -> TunedRecord:
        """What the tuned settings carry with them."""
        return TunedRecord(self.name, self.data_end_ns, self.symbols, self.profile, self.request.seed, trials)


def make_study_plan(request: TuneRequest) -> StudyPlan:
    """Check bars, settings and space; nothing is written.

    Raises:
        ConfigError: a setting or an option is wrong.
        DataError: a file cannot be used, or there are too few bars.
    """
    if request.study and not _NAME.fullmatch(request.study):
        raise ConfigError(f"--study {request.study}: write letters, digits, _, - and ., 64 at most")
    overrides = joined_space(request.overrides)
    tuning = load_config(TuningConfig, "tuning", request.config_dir, overrides)
    overrides = tuple(each for each in overrides if each.file != "tuning")
    asked = RunRequest(
        bars=request.bars, out=request.out or Path(), symbols=request.symbols, profile=request.profile,
        seed=request.seed, config_dir=request.config_dir, overrides=overrides, quiet=request.quiet,
        accept_defects=request.accept_defects,
    )  # fmt: skip
    run = make_plan(asked)
    symbols = tuple(market.bars.symbol for market in run.markets)
    space = checked_space(tuning.space, run.settings, request.config_dir, overrides, symbols, run.profile_name)
    first_ns = first_test_ns(run.markets, run.folds)
    seen = tuple(_before(market.bars, first_ns) for market in run.markets)
    identity = _identity(run, tuning, seen, request.seed)
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    name = request.study or f"{'-'.join(map(plain_name, symbols[:4]))}_{seen[0].timeframe.name}_{digest[:8]}"
    folder = load_environment().home / "studies" / name
    return StudyPlan(
        request=request,
        name=name,
        folder=folder,
        out=request.out or folder,
        base=run.settings,
        config_dir=request.config_dir,
        overrides=overrides,
        symbols=symbols,
        profile=run.profile_name,
        tuning=tuning,
        space=space,
        seen=seen,
        data_end_ns=max(int(bars.close_ns[-1]) for bars in seen),
        first_test_ns=first_ns,
        test_days=max(
            int(np.unique(market.records["day"][own[0].test_lo : own[-1].test_hi]).size)
            for market, own in zip(run.markets, run.folds, strict=True)
        ),
        days_per_year=max(market.instrument.calendar.trading_days_per_year for market in run.markets),
        data_hash=run.trial.data_hash,
        identity=identity,
        notes=tuple(_notes(run)),
    )


def prepare_study(plan: StudyPlan) -> None:
    """Put what trials read into the study's directory, and make sure that a trial can be cut into its folds.

    Raises:
        ConfigError: the directory cannot be written.
        DataError: too few bars for the inner folds; says how many are needed.
    """
    task = plan.task(plan.space.current)
    try:
        for bars, path in zip(plan.seen, task.bars, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bars(bars, path)
        plan.base.save(task.config_dir)
    except OSError as error:
        raise ConfigError(f"{plan.folder}: cannot be written ({error.strerror}); set AGV2_HOME") from error
    trial_plan(task)


def _before(bars: Bars, first_test_ns: int) -> Bars:
    """The bars that have closed when the first test bar opens."""
    return bars.slice(0, int(np.searchsorted(bars.close_ns, first_test_ns, side="right")))


def _identity(run: RunPlan, tuning: TuningConfig, seen: tuple[Bars, ...], seed: int) -> dict[str, Any]:
    symbols = [bars.symbol for bars in seen]
    return {
        "bars or --symbol": [[bars.symbol, _content(bars)] for bars in seen],
        "settings or --profile": run.settings.digest(symbols, run.profile_name),
        "tuning settings": config_digest({"tuning": tuning}),
        "--seed": seed,
        "AGV2 sources": source_digest(),
    }


def _content(bars: Bars) -> str:
    digest = hashlib.sha256()
    for name in ("ts_ns", "open", "high", "low", "close", "volume", "spread"):
        digest.update(np.ascontiguousarray(getattr(bars, name)).tobytes())
    return digest.hexdigest()[:32]


def _notes(run: RunPlan) -> list[str]:
    notes = [note for market in run.markets for note in market.notes]
    if run.profile_name == "smoke":
        notes.append("AGV2_SMOKE=1: a few bars and updates, two folds at most; nothing here is a result")
    if run.profile.seeds == 1:
        notes.append("a trial is one seed: part of what makes trials differ is chance")
    return notes
