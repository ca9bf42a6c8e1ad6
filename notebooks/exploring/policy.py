"""Small policies for a notebook to look at: how they learned, and what they did on bars that nobody trained on."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from agv2.app.fold_tapes import traded_rows, unseen_tapes
from agv2.app.fold_training import fit_encoder, make_tapes
from agv2.app.policy_fitting import FittedPolicy, fit_policy
from agv2.app.policy_training.plan import PolicyRequest, make_policy_plan
from agv2.backtest.run_files import RunRows
from agv2.core.arrays import FloatArray
from agv2.core.bars import Bars
from agv2.data.bars_file import write_bars
from agv2.models.threads import torch_threads
from agv2.utils.config import parse_override
from exploring.markets import Subject

__all__ = ["Studied", "shares", "studied"]

PROFILE = "demo"  # the smallest that is more than a rehearsal


@dataclass(frozen=True, slots=True)
class Studied:
    """Policies of one market.

    Attributes:
        subject: the market.
        tested: its bars that only test.
        policies: seed → how it was trained.
        rows: seed → what it did on the test bars.
        direction: (n,) −1, 0 or 1, the planted trend at each test bar; None where nobody knows.
        start_equity: of each account.
    """

    subject: Subject
    tested: Bars
    policies: Mapping[int, FittedPolicy]
    rows: Mapping[int, RunRows]
    direction: FloatArray | None
    start_equity: float

    def equity(self, seed: int) -> FloatArray:
        """(n,) account of one policy over what it began with."""
        times: FloatArray = np.asarray(self.rows[seed].equity["equity"]) / self.start_equity
        return times

    def held(self, seed: int) -> FloatArray:
        """(n,) −1, 0 or 1: the side held at the close of each test bar."""
        side: FloatArray = np.sign(np.asarray(self.rows[seed].equity["units"]))
        return side


def studied(subject: Subject, settings: Sequence[str], seed: int, n_seeds: int) -> Studied:
    """An encoder and policies on the first three quarters of a market, and those policies on the rest.

    Args:
        subject: the market.
        settings: as after `--set`.
        seed: of the first policy.
        n_seeds: policies.

    Raises:
        ConfigError: a setting is wrong.
        DataError: too few bars, or bars with errors.
    """
    bars = subject.bars
    with tempfile.TemporaryDirectory() as folder, torch_threads(1):
        path = Path(folder) / f"{bars.symbol}_{bars.timeframe.name}.parquet"
        write_bars(bars, path)
        overrides = tuple(parse_override(each) for each in settings)
        plan = make_policy_plan(
            PolicyRequest((path,), profile=PROFILE, seed=seed, n_seeds=n_seeds, overrides=overrides, quiet=True)
        )
        run, (fold,) = plan.run, plan.folds
        steps = run.profile.encoder_steps
        encoder = fit_encoder(run.markets, plan.folds, run.settings, steps, seed, lambda *_: None)
        taught = make_tapes(run.markets, [fold.train_hi], encoder)
        unseen = unseen_tapes(run, plan.folds, encoder, lambda _: None)
        policies = {each: fit_policy(run, taught, plan.folds, each, None, lambda *_: None) for each in plan.seeds}
        money = {bars.symbol: run.initial_equity}
        rows = {
            each: traded_rows(run, 1, unseen, fitted.network, money, lambda *_: None)
            for each, fitted in policies.items()
        }
    tested = bars.slice(fold.test_lo, fold.test_hi)
    known = subject.truth is not None and subject.truth.request.edge == "momentum"
    direction = np.sign(subject.truth.drift[fold.test_lo : fold.test_hi]) if known and subject.truth else None
    return Studied(subject, tested, policies, rows, direction, run.initial_equity)


def shares(values: pl.Series, choices: Sequence[float]) -> list[float]:
    """How often each of `choices` was taken."""
    taken = values.to_numpy()
    return [float(np.mean(np.isclose(taken, choice))) if taken.size else 0.0 for choice in choices]
