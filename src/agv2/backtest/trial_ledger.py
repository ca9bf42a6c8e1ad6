"""The count of trials: every configuration that was ever measured on the same bars.

The best of many trials looks good by luck; how good is known once they are counted. So they are counted here,
automatically and across runs, in `AGV2_HOME` (of the environment or `.env`; default `~/.agv2`): one file per distinct
trial, `trials/<data hash>/<trial hash>.json`. Repeating a trial replaces its file and adds nothing.
"""

import base64
import hashlib
import json
import os
import pathlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from agv2.backtest.atomic_files import write_atomically
from agv2.backtest.ledger_witness import missing_trials, remember_trial
from agv2.backtest.significance import return_moments
from agv2.backtest.trial_clusters import cluster_trials
from agv2.core.arrays import FloatArray, IntArray
from agv2.core.errors import ConfigError, ShapeError
from agv2.utils.environment import load_environment

__all__ = ["Trial", "TrialCount", "TrialLedger", "data_digest"]

_NAME = re.compile(r"[0-9A-Za-z_.-]{1,128}")


class Trial(NamedTuple):
    """What makes a trial distinct; a median or ensemble of seeds is one trial under its run's seed."""

    data_hash: str
    """Digest of the bars' contents."""
    config_digest: str
    """Digest of the resolved settings."""
    seed: int

    @property
    def trial_hash(self) -> str:
        """Name of the trial among those on its data."""
        return hashlib.sha256(f"{self.config_digest}:{self.seed}".encode()).hexdigest()[:32]


class PastTrial(NamedTuple):
    """What the ledger keeps of a trial's result."""

    days: IntArray
    """(n_days,) trading days, rising."""
    returns: FloatArray
    """(n_days,) simple returns, to the precision of float32."""
    sharpe: float
    """Per day; NaN when undefined."""
    excess_sharpe: float
    """Per day, of the returns in excess of volatility-targeted buy and hold."""


@dataclass(frozen=True, slots=True)
class TrialCount:
    """The trials before a run, fixed when it starts."""

    n_trials: int
    """Distinct other trials on these data, plus this one."""
    earlier: tuple[PastTrial, ...]
    """The readable ones among the others, by name."""
    warnings: tuple[str, ...]
    """One line per entry that cannot be read, or was deleted; it counts, its result is unknown."""
    names: tuple[str, ...] = ()
    """Trial hashes of the others, for a resumed run to count the same ones."""

    def n_effective(self, days: IntArray, returns: FloatArray) -> float:
        """Independent trials that the counted ones amount to, given how alike their daily returns are.

        Those that can be read are clustered with this one, see `cluster_trials`; each of the others counts as unlike.
        """
        if self.n_trials == 1:
            return 1.0
        series = [(trial.days, trial.returns) for trial in self.earlier] + [(days, returns)]
        return cluster_trials(series).n_effective + self.n_trials - len(series)


class TrialLedger:
    """Trials on disk. Open one with `TrialLedger.open`.

    Args:
        folder: where the trials of each data set have their directory.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    @classmethod
    def open(cls, home: pathlib.Path | None = None) -> "TrialLedger":
        """The ledger in `home`, else in the environment's.

        Raises:
            ConfigError: the directory cannot be made or written.
        """
        if home is None:
            home = load_environment().home
        folder = home / "trials"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{folder} cannot be made ({error}); set AGV2_HOME to a directory of yours") from error
        if not os.access(folder, os.W_OK):
            raise ConfigError(f"{folder} cannot be written; set AGV2_HOME to a directory of yours")
        return cls(folder)

    @property
    def folder(self) -> pathlib.Path:
        """Directory that holds the trials."""
        return self._folder

    def count_before(self, trial: Trial, among: Sequence[str] | None = None) -> TrialCount:
        """Trials on the same data other than `trial`, and `trial` itself; call it when a run starts.

        Args:
            trial: the one about to be made.
            among: trial hashes that were there when an interrupted run started; None counts all.
        """
        earlier, warnings, names = [], [], []
        for path in sorted(self._data_folder(trial.data_hash).glob("*.json")):
            if path.stem == trial.trial_hash or (among is not None and path.stem not in among):
                continue
            names.append(path.stem)
            try:
                earlier.append(_past_trial(json.loads(path.read_bytes())))
            except (OSError, ValueError, KeyError, TypeError) as error:
                warnings.append(f"trial ledger: {path.name} is damaged ({error}); it counts, its result is unknown")
        for name in missing_trials(self._folder, trial.data_hash):
            if name == trial.trial_hash or (among is not None and name not in among):
                continue
            names.append(name)
            warnings.append(f"trial ledger: {name}.json was deleted since; it counts, its result is unknown")
        return TrialCount(len(names) + 1, tuple(earlier), tuple(warnings), tuple(names))

    def count_on(self, data_hash: str) -> int:
        """Distinct trials on these data so far."""
        return sum(1 for _ in self._data_folder(data_hash).glob("*.json"))

    def has(self, trial: Trial) -> bool:
        """Whether this very trial was recorded."""
        return (self._data_folder(trial.data_hash) / f"{trial.trial_hash}.json").is_file()

    def record(self, trial: Trial, days: IntArray, returns: FloatArray, excess: FloatArray) -> None:
        """Write down what `trial` did; recording it again replaces it.

        Args:
            trial: the trial.
            days: (n_days,) trading days.
            returns: (n_days,) simple return of each.
            excess: (n_days,) the same in excess of volatility-targeted buy and hold; empty when there is none.
        """
        if days.shape != returns.shape:
            raise ShapeError(f"a trial has {days.size} days and {returns.size} returns")
        moments, over_hold = return_moments(returns), return_moments(excess)
        entry = {
            "config_digest": trial.config_digest,
            "seed": trial.seed,
            "n_days": int(days.size),
            "sharpe_daily": _finite(moments.sharpe),
            "excess_sharpe_daily": _finite(over_hold.sharpe),
            "skew": _finite(moments.skew),
            "kurtosis": _finite(moments.kurtosis),
            "days_int32": base64.b64encode(days.astype("<i4").tobytes()).decode(),
            "returns_float32": base64.b64encode(returns.astype("<f4").tobytes()).decode(),
        }
        path = self._data_folder(trial.data_hash) / f"{trial.trial_hash}.json"
        write_atomically(path, json.dumps(entry, indent=1, allow_nan=False) + "\n")
        remember_trial(self._folder, trial.data_hash, trial.trial_hash)

    def _data_folder(self, data_hash: str) -> pathlib.Path:
        if not _NAME.fullmatch(data_hash) or set(data_hash) == {"."}:
            raise ConfigError(f"data hash {data_hash!r} cannot name a directory; expected a hex digest")
        return self._folder / data_hash


def data_digest(contents: Sequence[str]) -> str:
    """Digest of a set of bar files from their content hashes, in any order and under any names."""
    return hashlib.sha256("\n".join(sorted(contents)).encode()).hexdigest()[:32]


def _past_trial(entry: Any) -> PastTrial:
    days = np.frombuffer(base64.b64decode(entry["days_int32"], validate=True), dtype="<i4").astype(np.int64)
    returns = np.frombuffer(base64.b64decode(entry["returns_float32"], validate=True), dtype="<f4").astype(np.float64)
    if days.shape != returns.shape or days.size != entry["n_days"] or not np.isfinite(returns).all():
        raise ValueError("days and returns do not belong together")
    return PastTrial(days, returns, _number(entry["sharpe_daily"]), _number(entry["excess_sharpe_daily"]))


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _finite(value: FloatArray) -> float | None:
    return float(value) if np.isfinite(value) else None
