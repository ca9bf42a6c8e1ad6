"""The compiled batch loop and the replay against plain Python written from the rules: fill by fill, bar by bar."""

import functools
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from agv2.backtest.replay import ReplayResult, replay
from agv2.backtest.simulator import BatchSimulator
from agv2.backtest.stitching import account_rows
from agv2.core.arrays import Float32Array
from agv2.core.orders import Fill, FillReason
from agv2.data.bars_file import write_bars
from agv2.decision.decider import PolicyOutput
from agv2.decision.planner import PlanReason
from tests.brute_force import BookSetup, Decided, Filled, Marked, Outcome, brute_force
from tests.random_books import random_limits, random_setup, random_wishes, tape_of
from tests.recomputed_account import disagreements

Wishes = list[tuple[int, int, int, int]]
N_BARS, N_SINGLE, N_SEVERAL = 600, 64, 32
MONEY = 1e-6
"""Money and prices agree to this, absolute and of themselves; everything else exactly."""


class Script:
    """A policy that answers with the next line of a script."""

    def __init__(self, wishes: Wishes) -> None:
        self.lines = iter(np.array(wishes, dtype=np.int64))

    def act(self, observations: Float32Array) -> PolicyOutput:
        return PolicyOutput(next(self.lines)[np.newaxis], np.zeros(1), np.zeros(1))


def replayed(setups: list[BookSetup], wishes: Wishes) -> ReplayResult:
    return replay([tape_of(setup) for setup in setups], Script(wishes), [setup.initial_equity for setup in setups])


def named(symbol: str, fill: Fill) -> Filled:
    return Filled(
        symbol, fill.order_id, fill.ts_ns, fill.side, fill.units, fill.price, fill.mid, fill.commission,
        FillReason(fill.reason).name.lower(), fill.decided_ns,
    )  # fmt: skip


def assert_same(ours: list[tuple[object, ...]], theirs: list[tuple[object, ...]], what: str) -> None:
    """Row by row: words, stamps and whole numbers exactly, fractions to `MONEY`."""
    for number, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        for a, b in zip(one, other, strict=True):
            same = a == pytest.approx(b, rel=1e-9, abs=MONEY) if isinstance(b, float) else a == b
            assert same, f"{what} {number}:\n  {one}\n  {other}"
    assert len(ours) == len(theirs), what


def compare(result: ReplayResult, outcome: Outcome) -> None:
    assert_same([named(symbol, fill) for symbol, fill in result.fills], list(outcome.fills), "fill")
    decided = [
        Decided(symbol, each.ts_ns, each.plan.after_units, PlanReason(each.plan.reason).name.lower())
        for symbol, _, each in result.decisions
    ]
    assert_same(list(decided), list(outcome.decisions), "decision")
    rows = [
        Marked(row.symbol, row.ts_ns, row.equity, row.cash, row.units, row.financing, row.halted)
        for row in result.equity
    ]
    assert_same(list(rows), list(outcome.equity), "equity row")


class Case(NamedTuple):
    """Books, what is wished for them, and what becomes of them by the rules."""

    setups: list[BookSetup]
    wishes: Wishes
    outcome: Outcome


@functools.cache
def one_book(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    setup, wishes = random_setup(rng, N_BARS), random_wishes(rng, N_BARS)
    return Case([setup], wishes, brute_force([setup], wishes))


@functools.cache
def several_books(seed: int) -> Case:
    """Two or three books under the same limits; they begin and end at different times."""
    rng = np.random.default_rng(1_000 + seed)
    limits = random_limits(rng)
    symbols = ("A", "B", "C")[: 2 + seed % 2]
    setups = [random_setup(rng, int(rng.integers(60, N_BARS)), symbol, limits) for symbol in symbols]
    wishes = random_wishes(rng, sum(len(setup.bars) for setup in setups))
    return Case(setups, wishes, brute_force(setups, wishes))


@pytest.mark.parametrize("seed", range(N_SINGLE))
def test_replay_of_one_book(seed: int) -> None:
    case = one_book(seed)
    compare(replayed(case.setups, case.wishes), case.outcome)


@pytest.mark.parametrize("seed", range(N_SEVERAL))
def test_replay_of_several_books_on_one_clock(seed: int) -> None:
    case = several_books(seed)
    compare(replayed(case.setups, case.wishes), case.outcome)


def test_batch_of_books() -> None:
    cases = [one_book(seed) for seed in range(N_SINGLE)]
    for money in (20_000.0, 100_000.0):
        group = [case for case in cases if case.setups[0].initial_equity == money]
        simulator = BatchSimulator([tape_of(case.setups[0]) for case in group], len(group), money)
        books = np.arange(len(group))
        simulator.reset(books, books, 0 * books, np.full(len(group), N_BARS - 1))
        fills: list[list[Filled]] = [[] for _ in group]
        equities = []
        for bar in range(N_BARS - 1):
            simulator.step(np.array([case.wishes[bar] for case in group]))
            equities.append(simulator.equities)
            for book in books:
                fills[book] += [named("ANY", Fill(*row.item())) for row in simulator.fills[book] if row["units"] > 0.0]
        for number, case in enumerate(group):
            kept = [fill for fill in case.outcome.fills if fill.reason != "end"]
            assert_same(list(fills[number]), list(kept), f"book {number}, fill")
            expected = [row.equity for row in case.outcome.equity][1:-1]  # an episode is not closed at its last bar
            assert np.array(equities)[:-1, number] == pytest.approx(expected, rel=1e-9, abs=MONEY)


@pytest.mark.parametrize("seed", [7, 17, 28])
def test_the_books_recompute_from_fills_and_bars_alone(seed: int, tmp_path: Path) -> None:
    case = several_books(seed)
    result = replayed(case.setups, case.wishes)
    rows = account_rows(result.fills, result.equity)
    assert rows.fills.height > 300
    (tmp_path / "oos").mkdir()
    rows.fills.write_parquet(tmp_path / "oos/fills.parquet")
    rows.equity.write_parquet(tmp_path / "oos/equity.parquet")
    files = {setup.bars.symbol: tmp_path / f"{setup.bars.symbol}_1h.parquet" for setup in case.setups}
    for setup in case.setups:
        write_bars(setup.bars, files[setup.bars.symbol])
    assert disagreements(tmp_path, files) == []


def test_the_books_met_every_rule() -> None:
    """Otherwise the agreement above would say less than it seems to."""
    single = [one_book(seed) for seed in range(N_SINGLE)]
    cases = single + [several_books(seed) for seed in range(N_SEVERAL)]
    fills = Counter(fill.reason for case in cases for fill in case.outcome.fills)
    decisions = Counter(each.reason for case in cases for each in case.outcome.decisions)
    assert set(fills) == {reason.name.lower() for reason in FillReason} - {"none"}
    assert set(decisions) == {reason.name.lower() for reason in PlanReason}
    assert min(fills.values()) > 30, fills
    assert min(decisions.values()) > 10, decisions

    gapped = {"stop_loss": 0, "take_profit": 0}
    in_parts = turned_in_parts = paid_nights = 0
    for case in single:
        opens = dict(zip(case.setups[0].bars.ts_ns.tolist(), case.setups[0].bars.open.tolist(), strict=True))
        for fill in case.outcome.fills:
            open_ = opens[fill.ts_ns]
            gapped["stop_loss"] += fill.reason == "stop_loss" and fill.mid == open_
            gapped["take_profit"] += fill.reason == "take_profit" and fill.side * (fill.mid - open_) >= 0.0
        per_order = Counter((fill.order_id, fill.reason) for fill in case.outcome.fills)
        in_parts += sum(n > 1 for (_, reason), n in per_order.items() if reason in ("entry", "exit", "risk"))
        turned_in_parts += sum(n > 1 for (_, reason), n in per_order.items() if reason == "reverse")
        paid_nights += sum(row.financing != 0.0 for row in case.outcome.equity)
    assert min(*gapped.values(), in_parts, turned_in_parts, paid_nights) > 100
    assert any(row.equity <= 0.0 for case in cases for row in case.outcome.equity)
