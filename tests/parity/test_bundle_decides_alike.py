"""The shipped bundle takes the decisions of the run it came from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from agv2.app.fold_training import observation_layout
from agv2.app.market_preparation import PreparedMarket, as_known_after, prepare_markets
from agv2.app.settings import load_settings
from agv2.backtest.replay import ReplayResult, replay
from agv2.backtest.run_files import RunRows, read_run_rows
from agv2.backtest.simulator import BatchSimulator
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import Float32Array
from agv2.decision.actions import ACTION_NVEC
from agv2.decision.decider import PolicyOutput
from agv2.models.bundle import ModelBundle
from agv2.models.export import load_program
from agv2.rl.policy_adapter import TorchPolicy

TIE = 1e-6
"""Logits of the engines differ by some 1e-7."""

Logits = Callable[[Float32Array], Any]


class LikeliestChoice:
    """A policy of nothing but logits, however they are computed."""

    def __init__(self, logits: Logits) -> None:
        self.logits = logits
        self.margins: list[float] = []

    def act(self, observations: Float32Array) -> PolicyOutput:
        blocks = np.split(np.asarray(self.logits(observations)), np.cumsum(ACTION_NVEC)[:-1], axis=1)
        ordered = [np.sort(block, axis=1) for block in blocks]
        self.margins.append(min(float((each[:, -1] - each[:, -2]).min()) for each in ordered))
        actions = np.stack([block.argmax(axis=1) for block in blocks], axis=1)
        return PolicyOutput(actions, np.zeros(len(actions)), np.zeros(len(actions)))


@pytest.fixture(scope="module")
def bundle(finished_run: Path) -> ModelBundle:
    return ModelBundle.load(finished_run / "bundle")


@pytest.fixture(scope="module")
def rows(finished_run: Path) -> RunRows:
    return read_run_rows(finished_run / "oos")


@pytest.fixture(scope="module")
def tape(bundle: ModelBundle, rows: RunRows, market_files: dict[str, Path]) -> MarketTape:
    """The fold's test bars, seen through the exported encoder, one window at a time as paper and live see them."""
    settings = load_settings(None, ())
    (market,) = prepare_markets([market_files["TREND"]], [], settings)
    stamps = rows.equity["ts"].dt.epoch("ns").to_numpy()
    first, last = (int(i) for i in np.searchsorted(market.bars.ts_ns, stamps[[0, -1]]))
    market = as_known_after(market, settings, first)
    bundle.require_matches(
        tuple((column.name, column.lookback) for column in market.features.columns),
        observation_layout(settings.encoder).slices(),
        ACTION_NVEC,
    )
    return MarketTape(
        symbol="TREND",
        bars=market.records[first : last + 1],
        volatility=market.features.sigma[first : last + 1],
        levels=market.tape(last + 1, np.empty((last + 1, 0), dtype=np.float32)).levels[first:],
        market_rows=market_rows(bundle, market, first, last),
        market=market.instrument.market,
        params=market.params,
        costs=market.costs,
    )


def market_rows(bundle: ModelBundle, market: PreparedMarket, first: int, last: int) -> Float32Array:
    runner, window = bundle.runner(), bundle.manifest.encoder["window"]
    features = bundle.normalizer.transform(market.features.values)
    found = []
    for bar in range(first, last + 1):
        windows = features[np.newaxis, bar - window + 1 : bar + 1]
        found.append(runner.encode(windows, bundle.manifest.asset_classes[0]).rows())
    return np.concatenate(found)


def require_same_decisions(result: ReplayResult, rows: RunRows, policy: LikeliestChoice) -> None:
    """The same side, prices and units, up to the first choice that is too close for any float to decide."""
    ties = [i for i, margin in enumerate(policy.margins) if margin < TIE]
    compared = ties[0] if ties else len(policy.margins)
    assert compared >= 50
    pairs = list(zip(result.decisions, rows.decisions.iter_rows(named=True), strict=True))[:compared]
    for (_, _, ours), theirs in pairs:
        assert ours.plan.side == theirs["position"]
        assert (ours.plan.stop_loss, ours.plan.take_profit) == (theirs["stop"], theirs["target"])
        assert ours.plan.after_units == theirs["order_after_units"]
    until = pairs[-1][0][2].ts_ns
    prices = rows.fills.filter(pl.col("ts").dt.epoch("ns") <= until)["price"].to_list()
    assert [fill.price for _, fill in result.fills if fill.ts_ns <= until] == prices


def test_the_served_model_replays_the_run(bundle: ModelBundle, tape: MarketTape, rows: RunRows) -> None:
    runner = bundle.runner()
    policy = LikeliestChoice(lambda observations: runner.evaluate(observations).logits)
    require_same_decisions(replay([tape], policy, [rows.equity["equity"][0]]), rows, policy)


@pytest.mark.filterwarnings("ignore:.*torch.jit.load.*:DeprecationWarning")
@pytest.mark.parametrize("kind", ["pt2", "ts"])
def test_the_other_exports_replay_the_run(bundle: ModelBundle, tape: MarketTape, rows: RunRows, kind: str) -> None:
    path = bundle.directory / f"policy.{kind}"
    program = load_program(path) if kind == "pt2" else torch.jit.load(str(path))  # type: ignore[no-untyped-call]
    policy = LikeliestChoice(lambda observations: program(torch.from_numpy(observations))[0].detach().numpy())
    require_same_decisions(replay([tape], policy, [rows.equity["equity"][0]]), rows, policy)


def test_the_training_environment_takes_the_same_way(bundle: ModelBundle, tape: MarketTape, rows: RunRows) -> None:
    policy = TorchPolicy(bundle.policy())
    simulator = BatchSimulator([tape], 1, rows.equity["equity"][0])
    start = np.zeros(1, dtype=np.int64)
    simulator.reset(start, start, start, start + tape.bars.size - 1)
    fills, equity = [], [float(simulator.equities[0])]
    for _ in range(tape.bars.size - 1):
        simulator.step(policy.act(simulator.observations).actions)
        fills += [float(fill["price"]) for fill in simulator.fills[0] if fill["units"] > 0.0]
        equity.append(float(simulator.equities[0]))
    before_the_end = rows.fills.filter(pl.col("reason") != "end")
    assert fills == before_the_end["price"].to_list()
    assert equity[:-1] == rows.equity["equity"].to_list()[:-1]
