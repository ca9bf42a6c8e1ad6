"""A training that begins with a policy that trades already."""

from pathlib import Path

import numpy as np
import pytest
import torch

from agv2.core.errors import DataError, ShapeError
from agv2.models.policy import PolicyNetwork
from agv2.rl.episodes import Span
from agv2.rl.input_scaling import input_scaling, with_scaling_inside, with_scaling_outside
from agv2.rl.policy_adapter import TorchPolicy
from agv2.rl.training import CHECKPOINT, TrainedPolicy, train_policy
from agv2.rl.validation import score_policy
from tests.rl_settings import SMALL_SAC, small_config
from tests.tapes import a_tape, costs, walk

ROWS = (np.random.default_rng(0).normal(3.0, 1.0, (400, 4)) * [1.0, 100.0, 0.01, 5.0]).astype(np.float32)
TAPE = a_tape(walk(400, gap=0.002), ROWS, costs=costs(half_spread_frac=2e-4))
TRAIN, VALIDATION = [Span(0, 0, 250)], [Span(0, 260, 399)]
STEPS = 16 * 16 * 6


def trained(start: PolicyNetwork | None = None, checkpoints: Path | None = None, **config: object) -> TrainedPolicy:
    return train_policy(
        [TAPE], TRAIN, VALIDATION, small_config(**config), STEPS, 1, 1e5, checkpoint_dir=checkpoints, start=start
    )


@pytest.fixture(scope="module")
def champion() -> PolicyNetwork:
    return trained().network


def test_scaling_taken_out_of_a_policy_and_put_back_changes_nothing(champion: PolicyNetwork) -> None:
    scaling = input_scaling([TAPE], TRAIN)
    mean, factor = (torch.from_numpy(each) for each in scaling)
    again = with_scaling_inside(with_scaling_outside(champion, scaling), mean, factor)
    for name, value in champion.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, atol=1e-4, rtol=1e-4)


def test_it_begins_as_the_policy_that_it_goes_on_from_and_moves(champion: PolicyNetwork) -> None:
    found = trained(champion)
    score = score_policy([TAPE], VALIDATION, TorchPolicy(champion), 1e5)
    assert found.validation[0].step == 0
    assert found.validation[0].score.log_growth == pytest.approx(score.log_growth, abs=1e-9)
    assert found.validation[0].score.fills == score.fills
    assert not found.abstains
    assert found.model.num_timesteps == STEPS
    assert found.best is not None
    assert found.best.score.sharpe_per_bar >= found.validation[0].score.sharpe_per_bar


def test_what_sac_left_goes_on_too_with_a_value_of_its_own() -> None:
    left = trained(algorithm="sac", sac=SMALL_SAC).network
    found = trained(left)
    score = score_policy([TAPE], VALIDATION, TorchPolicy(left), 1e5)
    assert found.validation[0].score.fills == score.fills


def test_another_width_or_algorithm_is_refused(champion: PolicyNetwork) -> None:
    with pytest.raises(ShapeError, match="other widths"):
        trained(champion, net_arch=(8,))
    with pytest.raises(ShapeError, match="only PPO"):
        trained(champion, algorithm="sac", sac=SMALL_SAC)


def test_a_checkpoint_of_another_start_is_refused(champion: PolicyNetwork, tmp_path: Path) -> None:
    trained(champion, tmp_path)
    assert (tmp_path / CHECKPOINT).is_file()
    with pytest.raises(DataError, match="checkpoint is of other bars, settings, seed or versions"):
        trained(None, tmp_path)
