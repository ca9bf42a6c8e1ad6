"""Finished runs side by side: what they measured, what they were set to, and whether one beats another."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from agv2.backtest.bootstrap import bootstrap_intervals
from agv2.backtest.report.reading import RunRecord, read_run
from agv2.core.arrays import FloatArray, IntArray
from agv2.core.errors import ConfigError, DataError
from agv2.utils.seeding import spawn_generators

__all__ = ["ComparedRun", "Comparison", "Lead", "compare_runs", "every_setting", "lead_of"]

_DAY_NS = 86_400_000_000_000
_DAYS_PER_YEAR = 365.25
_LEAST_DAYS = 20


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One run, read from its directory."""

    name: str
    """Its directory as it was named, without what all runs share."""
    record: RunRecord
    days: IntArray
    """(n_days,) days since 1970 in UTC on which the account has rows, after the first."""
    returns: FloatArray
    """(n_days,) simple return of each."""


class Lead(NamedTuple):
    """What a run earned in excess of the first, day by day."""

    name: str
    n_days: int
    """That both have."""
    annual_return: float
    """Mean excess, a year."""
    ratio: float
    """Annual mean of the excess over its deviation; NaN where it does not vary or days are too few."""
    low: float
    high: float
    """Block-bootstrap interval of the ratio; of all runs together it holds with 95 %."""

    @property
    def finding(self) -> str:
        """`better` or `worse` where the whole interval says so, else `draw`; too few days are no finding."""
        if math.isnan(self.low):
            return "unknown"
        return "better" if self.low > 0.0 else "worse" if self.high < 0.0 else "draw"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs side by side.

    Attributes:
        runs: in the order in which they were named.
        settings: dotted name to the value in each run (None: not there), of those in which runs differ.
        leads: of every run but the first, over the first.
        same_bars: whether all runs read the same bars.
    """

    runs: tuple[ComparedRun, ...]
    settings: Mapping[str, tuple[Any, ...]]
    leads: tuple[Lead, ...]
    same_bars: bool

    def as_json(self) -> dict[str, Any]:
        """For programs; undefined numbers are null."""
        return {
            "runs": [
                {
                    "run": run.name,
                    **{key: run.record.summary[key] for key in ("symbols", "profile", "seed", "verdict", "oos")},
                    "significance": run.record.summary["significance"],
                }
                for run in self.runs
            ],
            "settings": {name: list(values) for name, values in self.settings.items()},
            "leads": [
                {key: _known(value) for key, value in lead._asdict().items()} | {"finding": lead.finding}
                for lead in self.leads
            ],
            "same_bars": self.same_bars,
        }


def compare_runs(directories: Sequence[Path], seed: int = 7, n_resamples: int = 2000) -> Comparison:
    """Read runs and hold each against the first.

    Args:
        directories: of finished runs, two or more.
        seed: of the bootstrap.
        n_resamples: of the bootstrap.

    Raises:
        ConfigError: fewer than two runs, or one named twice.
        DataError: a directory holds no finished run; names the file.
    """
    if len(directories) < 2:
        raise ConfigError("a comparison needs two runs or more: agv2 compare RUN RUN...")
    resolved = [directory.resolve() for directory in directories]
    twice = next((one for one in resolved if resolved.count(one) > 1), None)
    if twice is not None:
        raise ConfigError(f"{twice} is named twice; a run has nothing to say against itself")
    runs = tuple(_read(name, path) for name, path in zip(_names(directories), resolved, strict=True))
    generators = spawn_generators(seed, *(run.name for run in runs[1:]))
    level = 1.0 - 0.05 / (len(runs) - 1)  # Bonferroni: of many runs without a difference one in twenty sets names one
    leads = tuple(_lead(run, runs[0], generators[run.name], n_resamples, level) for run in runs[1:])
    same_bars = len({str(run.record.provenance.get("data_digest", "")) for run in runs}) == 1
    if not same_bars:  # what one market paid more than another is no finding about a run
        leads = tuple(lead._replace(low=math.nan, high=math.nan) for lead in leads)
    return Comparison(runs, _differences(runs), leads, same_bars)


def _read(name: str, path: Path) -> ComparedRun:
    record = read_run(path)
    curve = record.curve(record.account)
    day = curve["ts"].dt.epoch("ns").to_numpy() // _DAY_NS
    equity = np.maximum(curve["equity"].to_numpy(), 0.0)
    closing = np.append(np.flatnonzero(np.diff(day)), day.size - 1)
    value = np.concatenate([equity[:1], equity[closing]])
    returns = np.zeros(closing.size)
    np.divide(np.diff(value), value[:-1], out=returns, where=value[:-1] > 0.0)
    return ComparedRun(name, record, day[closing], returns)


def _names(directories: Sequence[Path]) -> list[str]:
    """The last part of each path, or as many as it takes to tell them apart."""
    parts = [directory.resolve().parts for directory in directories]
    for depth in range(1, max(len(each) for each in parts) + 1):
        names = ["/".join(each[-depth:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return [str(directory) for directory in directories]


def _lead(run: ComparedRun, first: ComparedRun, rng: np.random.Generator, n_resamples: int, level: float) -> Lead:
    days, own, other = np.intersect1d(run.days, first.days, assume_unique=True, return_indices=True)
    return lead_of(run.name, days, run.returns[own] - first.returns[other], rng, n_resamples, level)


def lead_of(
    name: str, days: IntArray, excess: FloatArray, rng: np.random.Generator, n_resamples: int, level: float
) -> Lead:
    """What excess returns are worth, day by day.

    Args:
        name: of who earned them.
        days: (n_days,) days since 1970, rising.
        excess: (n_days,) its simple returns less those of the other account.
        rng: of the bootstrap.
        n_resamples: of the bootstrap.
        level: probability of the interval.
    """
    if days.size < _LEAST_DAYS:
        return Lead(name, days.size, math.nan, math.nan, math.nan, math.nan)
    if not excess.any():
        return Lead(name, days.size, 0.0, 0.0, 0.0, 0.0)
    # As many of these days as a year has of them: markets that rest at weekends have fewer.
    per_year = days.size * _DAYS_PER_YEAR / (int(days[-1]) - int(days[0]) + 1)
    interval = bootstrap_intervals(excess, per_year, rng, n_resamples, level).sharpe
    ratio = float(excess.mean() / excess.std(ddof=1)) * math.sqrt(per_year)
    return Lead(name, days.size, float(excess.mean()) * per_year, ratio, interval.low, interval.high)


def _differences(runs: Sequence[ComparedRun]) -> dict[str, tuple[Any, ...]]:
    flat = [every_setting(run.record) for run in runs]
    names = list(dict.fromkeys(name for each in flat for name in each))
    found = {name: tuple(each.get(name) for each in flat) for name in names}
    return {name: values for name, values in found.items() if any(value != values[0] for value in values)}


def every_setting(record: RunRecord) -> dict[str, Any]:
    """Every setting of a run by its dotted name, as `--set` takes it, before them what the command line said."""
    found: dict[str, Any] = {key: record.summary[key] for key in ("profile", "seed")}
    found["symbols"] = ", ".join(record.summary["symbols"])
    for name, text in record.config.items():
        try:
            _flatten(name.removesuffix(".yaml"), yaml.safe_load(text), found)
        except yaml.YAMLError as error:
            raise DataError(f"config/{name} of a run is no YAML ({error}); run again") from error
    return found


def _flatten(prefix: str, value: Any, found: dict[str, Any]) -> None:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            _flatten(f"{prefix}.{key}", inner, found)
    else:
        found[prefix] = value


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
