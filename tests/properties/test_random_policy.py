"""A thousand accounts run by chance: nothing breaks, and every reward adds up to the account."""

import numpy as np

from agv2.backtest.simulator import BatchSimulator, StepLedger
from agv2.core.arrays import record_dtype
from agv2.decision.actions import ACTION_NVEC
from agv2.rl.config import RewardWeights
from agv2.rl.rewards import reward
from agv2.sim.costs import Costs
from agv2.sim.randomize import CostRanges, perturb_costs
from tests.tapes import a_tape, costs, limits, walk

N_BOOKS, N_BARS = 1_000, 300
WEIGHTS = RewardWeights(scale=1.0, lambda_drawdown=0.1, lambda_trades=1e-4, lambda_hold=1e-5)


def test_a_thousand_random_episodes_stay_finite_and_their_rewards_sum_to_the_gain() -> None:
    paid = costs(
        half_spread_frac=3e-4, slippage_frac=1e-4, commission_frac=1e-5, commission_per_lot=0.01,
        financing_long_frac_per_night=1e-4, financing_short_frac_per_night=-5e-5, participation_cap=0.2,
    )  # fmt: skip
    tight = limits(daily_loss_frac=0.01, drawdown_frac=0.05)
    wild = walk(N_BARS, seed=2, sigma=0.02, gap=0.01)
    tapes = [
        a_tape(walk(N_BARS, seed=1, gap=0.003), costs=paid, params=limits(cooldown_bars=2)),
        a_tape(wild, sigma=0.004, costs=paid, params=tight),  # five times as wild as thought
    ]
    rng = np.random.default_rng(0)
    books = np.arange(N_BOOKS)
    which = rng.integers(0, 2, N_BOOKS)
    first = rng.integers(0, 50, N_BOOKS)
    simulator = BatchSimulator(tapes, N_BOOKS, 100_000.0)
    ranges = CostRanges(half_spread=(0.5, 3.0), slippage=(0.0, 3.0), max_latency_bars=3, fill=(0.3, 1.0))
    base = np.array([tuple(tape.costs) for tape in tapes], dtype=record_dtype(Costs))
    simulator.reset(books, which, first, np.full(N_BOOKS, N_BARS - 1), perturb_costs(base[which], ranges, rng))

    total = np.zeros(N_BOOKS)
    final = np.full(N_BOOKS, np.nan)
    halted = np.zeros(N_BOOKS, dtype=bool)
    for _ in range(N_BARS - 1):
        ledger = simulator.step(rng.integers(0, ACTION_NVEC, size=(N_BOOKS, 4)))
        terms = reward(ledger, WEIGHTS)
        for name, term in terms._asdict().items():
            assert np.isfinite(term).all(), name
        for name in StepLedger._fields:
            assert np.isfinite(ledger[name]).all(), name
        assert np.isfinite(simulator.observations).all()
        assert (np.abs(simulator.observations) <= 10.0).all()
        going = np.isnan(final)
        total[going] += terms.log_equity[going]
        halted |= ledger["halted"]
        ended = ledger["truncated"] | ledger["terminated"]
        final[ended & going] = ledger["equity_after"][ended & going]
        for book in np.flatnonzero(ended):  # keep stepping it where there are bars
            simulator.reset(books[[book]], which[[book]], first[[book]], np.full(1, N_BARS - 1))

    assert not np.isnan(final).any(), "every episode ended"
    assert (final > 0.0).all()
    assert np.abs(total - np.log(final / 100_000.0)).max() < 1e-9
    assert halted.mean() > 0.2, "the wild market was wild enough to try the limits"
    assert not halted.all()
