"""A finished run for a notebook to look at: a small one made on the spot, or one of the reader's."""

import atexit
import functools
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from agv2.app.robustness.checks import CheckName
from agv2.app.robustness.command import check_run
from agv2.app.run import run
from agv2.app.run_plan import RunRequest
from agv2.backtest.report.reading import RunRecord, read_run
from agv2.backtest.trades import Trade, round_trips
from agv2.core.arrays import FloatArray
from agv2.data.bars_file import write_bars
from agv2.utils.config import parse_override
from exploring.markets import Subject

__all__ = ["FinishedRun", "checked", "daily_returns", "look_at", "made_run"]

_DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """What a run left, read back."""

    record: RunRecord
    trades: tuple[Trade, ...]

    @property
    def curve(self) -> pl.DataFrame:
        """Equity rows of the account."""
        return self.record.curve(self.record.account)

    def baseline(self, name: str) -> pl.DataFrame:
        """Equity rows of a baseline's account."""
        assert self.record.baselines is not None, "every run of `agv2 run` has them"
        return self.record.baselines.filter(name=name, symbol=self.record.account).sort("ts")


def made_run(subject: Subject, settings: Sequence[str], seed: int) -> Path:
    """A run of this market in a directory that goes with the notebook's kernel.

    It is in no ledger of the reader's: nobody would choose settings as small as a notebook's.

    Args:
        subject: the market.
        settings: as after `--set`.
        seed: of the run.

    Raises:
        ConfigError: a setting is wrong.
        DataError: too few bars, or bars with errors.
    """
    bars, folder = subject.bars, _folder()
    path, out = folder / f"{bars.symbol}_{bars.timeframe.name}.parquet", folder / "run"
    write_bars(bars, path)
    overrides = tuple(parse_override(each) for each in settings)
    with _own_home(folder):
        return run(RunRequest(bars=(path,), out=out, profile="demo", seed=seed, overrides=overrides, quiet=True)).out


def checked(directory: Path, check: CheckName) -> Mapping[str, Any]:
    """What `agv2 robustness RUN --only CHECK` finds; taken from the run where it is there.

    Args:
        directory: of a finished run.
        check: name of the check.
    """
    done = read_run(directory).checks.get(check)
    if done is not None:
        return done
    with _own_home(directory.parent):
        return check_run(directory, (check,), (), (), quiet=True)[check]


def look_at(directory: Path) -> FinishedRun:
    """The run in `directory`.

    Raises:
        DataError: there is no finished run.
    """
    record = read_run(directory)
    return FinishedRun(record, round_trips(record.rows))


@functools.cache
def _folder() -> Path:
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return Path(folder.name)


@contextmanager
def _own_home(folder: Path) -> Iterator[None]:
    before = os.environ.get("AGV2_HOME")
    os.environ["AGV2_HOME"] = str(folder / "home")
    try:
        yield
    finally:
        if before is None:
            del os.environ["AGV2_HOME"]
        else:
            os.environ["AGV2_HOME"] = before


def daily_returns(frame: pl.DataFrame) -> FloatArray:
    """(n_days,) simple returns of UTC days of equity rows."""
    day = frame["ts"].dt.epoch("ns").to_numpy() // _DAY_NS
    ends = np.append(np.flatnonzero(np.diff(day)), day.size - 1)
    value = np.concatenate([frame["equity"].to_numpy()[:1], frame["equity"].to_numpy()[ends]])
    returns: FloatArray = value[1:] / value[:-1] - 1.0
    return returns
