"""The compiled batch loop and the same loop as plain Python: fills, ledger and observations, bit for bit."""

import hashlib

import numpy as np

from agv2.backtest.simulator import BatchSimulator
from agv2.core.jit import PLAIN_KERNELS
from agv2.core.orders import FillReason
from agv2.decision.actions import ACTION_NVEC
from tests.plain_kernels import printed
from tests.tapes import a_tape, costs, limits, near_levels, walk

N_BOOKS, N_BARS = 3, 400
PRINT_TRACE = "from tests.parity.test_compiled_equals_plain import trace; print(*trace(), sep='\\n')"


def trace() -> list[str]:
    """What a few random accounts went through, each number exactly."""
    paid = costs(
        half_spread_frac=2e-4, slippage_frac=1e-4, commission_frac=1e-5, financing_long_frac_per_night=1e-4,
        latency_bars=1, participation_cap=0.05,
    )  # fmt: skip
    params = limits(
        min_hold_bars=2, cooldown_bars=1, level_stop_max_units=3.5, trailing_units=1.0, kelly_volatility=0.002,
        evidence_scale=0.9,
    )  # fmt: skip
    levels = near_levels(np.random.default_rng(7).uniform(0.25, 6.0, (N_BARS, 2)))
    tape = a_tape(walk(N_BARS, seed=4, gap=0.003), costs=paid, params=params, levels=levels)
    simulator = BatchSimulator([tape], N_BOOKS, 100_000.0)
    books = np.arange(N_BOOKS)
    simulator.reset(books, 0 * books, 10 * books, np.full(N_BOOKS, N_BARS - 1))
    rng = np.random.default_rng(5)
    lines = [f"plain={PLAIN_KERNELS}"]
    seen = hashlib.sha256()
    for step in range(N_BARS - 10 * N_BOOKS):
        ledger = simulator.step(rng.integers(0, ACTION_NVEC, size=(N_BOOKS, 4)))
        seen.update(ledger.tobytes() + simulator.observations.tobytes())
        lines += [
            f"{step} {FillReason(fill['reason']).name} {fill.item()!r}"
            for fill in simulator.fills.ravel()
            if fill["units"] > 0.0
        ]
        lines.append(f"{step} {[row.item() for row in ledger]!r} {seen.hexdigest()}")
    return lines


def test_compiled_loop_equals_plain_python_with_latency_and_partial_fills() -> None:
    plain, compiled = (text.splitlines() for text in printed(PRINT_TRACE))
    assert (compiled[0], plain[0]) == ("plain=False", "plain=True")
    fills = [line for line in plain if "[" not in line]
    assert len(fills) > 200
    assert any("TRAILING" in line for line in fills)
    for ours, theirs in zip(compiled[1:], plain[1:], strict=True):
        assert ours == theirs
