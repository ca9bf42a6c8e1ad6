"""Speeds of the hot paths, each beside a yardstick measured in turn with it, as ratios that travel between machines.

    python benchmarks/speed.py            print the table
    python benchmarks/speed.py --record   also append it to benchmarks/history.csv

One thread. Rounds of the two sides alternate; figures are medians.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from comparison import HISTORY, Line, record_lines

from agv2.backtest.replay import replay
from agv2.backtest.simulator import BatchSimulator
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import Float32Array, IntArray, record_dtype
from agv2.core.instruments import Market
from agv2.core.timeframes import SessionCalendar
from agv2.data.synthetic import synthetic_bars
from agv2.decision.actions import ACTION_NVEC
from agv2.decision.decider import PolicyOutput
from agv2.features.pipeline import compute_features
from agv2.models.config import EncoderConfig
from agv2.models.embedding import embed_history
from agv2.models.encoder import StageOneEncoder
from agv2.models.heads import LEVEL_BANDS, MultiTaskHeads
from agv2.models.masked_model import MaskedModel
from agv2.models.training_batches import Batch, masked_spans
from agv2.risk.config import RiskParams
from agv2.risk.level_stop import NearLevels
from agv2.sim.costs import Costs

ROUNDS, SEED = 7, 7


def compare(work: str, ours: Callable[[], int], yardstick: str, theirs: Callable[[], int]) -> Line:
    """Median units of work per second of both, in alternating rounds after one to warm up."""
    rates: tuple[list[float], list[float]] = ([], [])
    for turn in range(ROUNDS + 1):
        for rate, side in zip(rates, (ours, theirs), strict=True):
            began = time.perf_counter()
            done = side()
            if turn:
                rate.append(done / (time.perf_counter() - began))
    return Line(work, statistics.median(rates[0]), yardstick, statistics.median(rates[1]))


def _noise_tape(n_bars: int, rng: np.random.Generator) -> MarketTape:
    bars = synthetic_bars("noise", n_bars, SEED)
    calendar = SessionCalendar(0, "UTC", 365.0, None, weekend_nights=True)
    return MarketTape(
        symbol="NOISE",
        bars=bars.records(calendar),
        volatility=np.full(n_bars, 0.004),
        levels=np.full(n_bars, np.array((1.75, 2.25), dtype=record_dtype(NearLevels))),
        market_rows=rng.normal(size=(n_bars, 274)).astype(np.float32),
        market=Market(1.0, 1e-4, 1e-4, 1e9, 0.0, 20.0, 0.5),
        params=RiskParams(0.003, 4.0, 10, 0.04, 0.2, 10, 0, 0, 0.5, 3.5, 4.0, math.inf, 1.0, 1.0),
        costs=Costs(1e-4, 5e-5, 1e-5, 0.0, 1e-4, 1e-4, 0, 1, 0.1, 1.0, True),
    )


def simulator(n_books: int = 256, n_steps: int = 400) -> Line:
    """Random actions, full rules, observations written; beside copying as many random rows of the same width."""
    rng = np.random.default_rng(SEED)
    tape = _noise_tape(20_000, rng)
    books = np.arange(n_books)
    simulation = BatchSimulator([tape], n_books, 1e5)
    actions = rng.integers(0, ACTION_NVEC, size=(n_steps, n_books, 4))
    first = rng.integers(0, tape.bars.size - n_steps - 1, size=n_books)
    wide = rng.normal(size=(tape.bars.size, simulation.observations.shape[1])).astype(np.float32)
    out = np.empty_like(simulation.observations)

    def ours() -> int:
        simulation.reset(books, np.zeros_like(books), first, first + n_steps)
        for step in actions:
            simulation.step(step)
        return n_books * n_steps

    def copying() -> int:
        for step in range(n_steps):
            np.take(wide, first + step, axis=0, out=out)
        return n_books * n_steps

    return compare("environment steps, 256 books", ours, "numpy.take of the same bytes", copying)


class _Restless:
    """A policy that changes its mind every fifth bar, at no cost."""

    def __init__(self, actions: IntArray) -> None:
        self.actions, self.asked = actions, 0

    def act(self, observations: Float32Array) -> PolicyOutput:
        self.asked += 1
        line = self.actions[self.asked // 5 % len(self.actions)]
        return PolicyOutput(line[np.newaxis], np.zeros(1), np.zeros(1))


def replaying(n_bars: int = 5_000) -> Line:
    """The decision path called bar by bar with a policy that costs nothing; beside the compiled loop with one book."""
    rng = np.random.default_rng(SEED)
    tape = _noise_tape(n_bars, rng)
    actions = rng.integers(0, ACTION_NVEC, size=(500, 4))
    simulation = BatchSimulator([tape], 1, 1e5)
    book = np.zeros(1, dtype=np.int64)

    def ours() -> int:
        replay([tape], _Restless(actions), [1e5])
        return n_bars

    def compiled() -> int:
        simulation.reset(book, book, book, book + n_bars - 1)
        for bar in range(n_bars - 1):
            simulation.step(actions[np.newaxis, bar // 5 % len(actions)])
        return n_bars

    return compare("bars replayed, one book", ours, "the compiled loop, one book", compiled)


Backbone = Literal["tcn", "transformer", "lstm"]


def training(backbone: Backbone, n_features: int = 151) -> Line:
    """Bars that the encoder is pretrained on with its backbone in bfloat16; beside the same in float32."""
    config = EncoderConfig(backbone=backbone)
    rng = np.random.default_rng(SEED)
    batch, shape = config.batch_chunks, (config.batch_chunks, config.chunk)
    bars = config.chunk + config.window - 1
    chunks = Batch(
        features=torch.from_numpy(rng.normal(size=(batch, bars, n_features)).astype(np.float32)),
        masked=torch.from_numpy(
            np.stack([masked_spans(bars, config.mask_ratio, config.mask_span, rng) for _ in range(batch)])
        ),
        returns=torch.from_numpy(rng.normal(size=(*shape, len(config.horizons))).astype(np.float32)),
        regime=torch.from_numpy(rng.integers(3, size=shape)),
        pattern=torch.from_numpy(rng.integers(3, size=shape)),
        reacted=torch.from_numpy(rng.integers(2, size=(*shape, LEVEL_BANDS))),
        asset_class=torch.zeros(batch, dtype=torch.int64),
    )
    torch.manual_seed(SEED)
    model = MaskedModel(n_features, config).train()
    optimizer = torch.optim.AdamW(model.parameters())

    def step(lower: bool) -> int:
        with torch.autocast("cpu", torch.bfloat16, enabled=lower):
            loss = model.weighted(model(chunks))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return batch * config.chunk

    return compare(f"bars trained, bfloat16, {_name(backbone)}", lambda: step(True), "in float32", lambda: step(False))


def embedding(backbone: Backbone, n_bars: int = 20_000, n_windows: int = 32) -> Line:
    """Every bar of a history embedded in one pass; beside window after window in batches."""
    config = EncoderConfig(backbone=backbone)
    torch.manual_seed(SEED)
    encoder, heads = StageOneEncoder(43, config).eval(), MultiTaskHeads(43, config).eval()
    features = np.random.default_rng(SEED).normal(size=(n_bars, 43)).astype(np.float32)
    windows = torch.from_numpy(np.stack([features[i : i + config.window] for i in range(n_windows)]))

    def ours() -> int:
        embed_history(encoder, heads, features)
        return n_bars

    def windowed() -> int:
        with torch.inference_mode():
            encoder(windows)
        return n_windows

    return compare(f"bars embedded, {_name(backbone)}", ours, "window after window", windowed)


def _name(backbone: Backbone) -> str:
    return backbone if backbone == "transformer" else backbone.upper()


def features(n_bars: int = 60_000) -> Line:
    """All features of a history; beside twenty plain numpy passes over as many bars."""
    bars = synthetic_bars("noise", n_bars, SEED)
    calendar = SessionCalendar(0, "UTC", 365.0, None, weekend_nights=True)

    def ours() -> int:
        compute_features(bars, calendar)
        return n_bars

    def passes() -> int:
        for _ in range(20):
            np.log(bars.close[1:] / bars.close[:-1])
        return n_bars

    return compare("bars with 43 features", ours, "20 numpy log returns", passes)


def main() -> None:
    """Measure, print, and record when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help=f"append to {HISTORY.name}")
    record = parser.parse_args().record
    torch.set_num_threads(1)
    backbones = get_args(Backbone)
    lines = [simulator(), replaying(), *map(embedding, backbones), features(), *map(training, backbones)]
    for line in lines:
        print(  # noqa: T201 - the output of this script
            f"{line.work:<30} {line.ours_per_s:>14,.0f}/s  {line.ratio:>8.2f} x {line.yardstick}"
        )
    if record:
        record_lines(lines, ("numpy", "numba", "torch"))


if __name__ == "__main__":
    main()
