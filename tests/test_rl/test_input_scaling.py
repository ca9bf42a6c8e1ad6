import numpy as np
import torch

from agv2.decision.action_mask import PERMISSION_FIELDS
from agv2.decision.actions import ACTION_NVEC
from agv2.decision.observation import BOOK_FIELDS
from agv2.models.policy import PolicyNetwork, read_part
from agv2.rl.episodes import Span
from agv2.rl.input_scaling import input_scaling, with_scaling_inside
from tests.tapes import a_tape, walk

READ = len(BOOK_FIELDS) - len(PERMISSION_FIELDS)
UNITS = np.array([1.0, 100.0, 0.01, 0.0, 5.0, 1.0], dtype=np.float32)


def rows(n_bars: int) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0.0, 1.0, (n_bars, UNITS.size))
    return ((noise + 3.0) * UNITS).astype(np.float32)


def test_training_rows_come_out_with_mean_zero_and_deviation_one() -> None:
    tape = a_tape(walk(400), rows(400))
    tape.market_rows[300:] = 1e6  # later bars, which the scaling may not know
    mean, factor = input_scaling([tape], [Span(0, 50, 250)], unread=1)
    scaled = (tape.market_rows[50:251] - mean[:6]) * factor[:6]
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=0), [0, 1, 1, 0, 1, 1], atol=1e-4)
    assert mean[6:].tolist() == [0.0] * READ
    assert factor[6:].tolist() == [1.0] * READ


def test_the_shipped_policy_scales_by_itself() -> None:
    tape = a_tape(walk(400), rows(400))
    mean, factor = (torch.from_numpy(each) for each in input_scaling([tape], [Span(0, 50, 250)]))
    torch.manual_seed(0)
    inner = PolicyNetwork(mean.numel() + len(PERMISSION_FIELDS), sum(ACTION_NVEC), (16,), (16,)).eval()
    seen = torch.cat(
        [torch.from_numpy(tape.market_rows), torch.rand(400, len(BOOK_FIELDS) - len(PERMISSION_FIELDS))], dim=1
    )
    permitted = torch.ones(400, len(PERMISSION_FIELDS))
    seen = torch.cat([seen, permitted], dim=1)
    scaled = torch.cat([(read_part(seen) - mean) * factor, permitted], dim=1)
    wanted, found = inner(scaled), with_scaling_inside(inner, mean, factor)(seen)
    torch.testing.assert_close(found.logits, wanted.logits, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(found.value, wanted.value, atol=2e-5, rtol=1e-4)
