"""An interrupted training goes on as if nothing had happened, and never from another training's checkpoint."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agv2.core.errors import DataError
from agv2.models import linear_start, training_task
from agv2.models.bar_basis import LinearInputs
from agv2.models.config import EncoderConfig
from agv2.models.pretraining import CHECKPOINT, PretrainedEncoder, pretrain
from agv2.models.training_rows import TrainingSeries
from tests.test_models.markets import N_FEATURES, SMALL, TINY, a_series

STEPS, SEED, FEW = 8, 7, 5
# Looks at steps 2, 4, 6 and 8.
BUSY = TINY.model_copy(update={"dropout": 0.3, "masked_chunks": 1.0})
INPUTS = LinearInputs(np.arange(N_FEATURES) > 0, np.arange(N_FEATURES) < 1, (0, 1))


class Killed(BaseException):
    """As sudden as SIGKILL, but in this process."""


def killed_at(step: int) -> Callable[..., None]:
    def progress(at: int, *_: object) -> None:
        if at == step:
            raise Killed

    return progress


def assert_same(one: PretrainedEncoder, other: PretrainedEncoder) -> None:
    for name, weight in one.arrays().items():
        np.testing.assert_array_equal(weight, other.arrays()[name], err_msg=name)
    assert (one.steps, one.best_step, one.log, one.scores) == (other.steps, other.best_step, other.log, other.scores)


@pytest.fixture(scope="module", autouse=True)
def _short_start() -> Iterator[None]:
    """The linear parts are fitted before the first step, and take most of the time of such short trainings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_start, "ITERATIONS", FEW)
        yield


@pytest.fixture(scope="module")
def uninterrupted(_short_start: None) -> PretrainedEncoder:
    trained = pretrain([a_series()], BUSY, STEPS, SEED)
    assert trained.best_step > 0, "otherwise no step would show in the weights"
    return trained


@pytest.mark.parametrize("steps", [(1,), (2,), (3,), (7,), (8,), (2, 3, 5, 7)])
def test_killed_at_any_step_and_started_again_it_ends_with_the_same_bits(
    steps: tuple[int, ...], uninterrupted: PretrainedEncoder, tmp_path: Path
) -> None:
    for step in steps:
        with pytest.raises(Killed):
            pretrain([a_series()], BUSY, STEPS, SEED, killed_at(step), checkpoints=tmp_path)
    taken: list[int] = []
    resumed = pretrain([a_series()], BUSY, STEPS, SEED, lambda step, *_: taken.append(step), checkpoints=tmp_path)
    assert_same(resumed, uninterrupted)
    last_look = max(step - step % 2 for step in steps)
    assert taken == list(range(last_look + 1, STEPS + 1)), "nothing before the last checkpoint is done again"


@pytest.mark.parametrize("backbone", ["transformer", "lstm"])
def test_other_backbones_resume_as_exactly(backbone: str, tmp_path: Path) -> None:
    config = SMALL[backbone].model_copy(update={"dropout": 0.3, "masked_chunks": 1.0, "learning_rate": 1e-2})
    with pytest.raises(Killed):
        pretrain([a_series()], config, STEPS, SEED, killed_at(5), checkpoints=tmp_path)
    resumed = pretrain([a_series()], config, STEPS, SEED, checkpoints=tmp_path)
    assert_same(resumed, pretrain([a_series()], config, STEPS, SEED))


def test_a_slow_training_is_kept_between_two_looks_as_well(
    uninterrupted: PretrainedEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_task, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(Killed):
        pretrain([a_series()], BUSY, STEPS, SEED, killed_at(5), checkpoints=tmp_path)
    taken: list[int] = []
    resumed = pretrain([a_series()], BUSY, STEPS, SEED, lambda step, *_: taken.append(step), checkpoints=tmp_path)
    assert taken == [6, 7, 8]
    assert_same(resumed, uninterrupted)


def test_a_finished_training_and_one_that_ended_early_are_not_begun_again(tmp_path: Path) -> None:
    hopeless = BUSY.model_copy(update={"patience": 1, "learning_rate": 1.0})
    for config, directory in ((BUSY, tmp_path / "a"), (hopeless, tmp_path / "b")):
        first = pretrain([a_series()], config, STEPS, SEED, checkpoints=directory)
        again = pretrain([a_series()], config, STEPS, SEED, killed_at(STEPS), checkpoints=directory)
        assert_same(again, first)
    assert first.steps < STEPS


def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(
    uninterrupted: PretrainedEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Any] = []
    replace_file = os.replace

    def replaced(source: Any, target: Any) -> None:
        if Path(target).name == CHECKPOINT:
            written.append(target)
            if len(written) == 3:
                raise Killed
        replace_file(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replaced)
        with pytest.raises(Killed):
            pretrain([a_series()], BUSY, STEPS, SEED, checkpoints=tmp_path)
    taken: list[int] = []
    resumed = pretrain([a_series()], BUSY, STEPS, SEED, lambda step, *_: taken.append(step), checkpoints=tmp_path)
    assert taken == [5, 6, 7, 8]
    assert_same(resumed, uninterrupted)


PROGRAM = """
import os, signal, sys
from pathlib import Path
import torch
from agv2.models import linear_start
from agv2.models.pretraining import pretrain
from tests.test_models.markets import a_series
from tests.test_models.test_training_checkpoint import BUSY, FEW, SEED, STEPS

linear_start.ITERATIONS = FEW

def killed(step, *_):
    if step == 5:
        os.kill(os.getpid(), signal.SIGKILL)

pretrain([a_series()], BUSY, STEPS, SEED, killed, checkpoints=Path(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGKILL")
def test_a_process_that_is_killed_loses_nothing(uninterrupted: PretrainedEncoder, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])}
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], env=env, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert_same(pretrain([a_series()], BUSY, STEPS, SEED, checkpoints=tmp_path), uninterrupted)


@pytest.fixture(scope="module")
def kept(_short_start: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("kept")
    pretrain([a_series()], TINY, 2, SEED, checkpoints=directory)
    return directory


def test_no_pickle_is_needed_to_read_it(kept: Path) -> None:
    contents = torch.load(kept / CHECKPOINT, weights_only=True)
    assert contents["global_step"] == 2


def _moved(series: TrainingSeries) -> TrainingSeries:
    future = series.future.copy()
    future[600, 0] = np.nextafter(future[600, 0], 1.0)
    return replace(series, future=future)


@pytest.mark.parametrize(
    ("what", "series", "config", "steps", "seed", "inputs"),
    [
        ("bars, features or labels", _moved(a_series()), TINY, 2, SEED, None),
        ("bars, features or labels", a_series("OTHER"), TINY, 2, SEED, None),
        ("settings", a_series(), TINY.model_copy(update={"dropout": 0.2}), 2, SEED, None),
        ("number of steps", a_series(), TINY, 3, SEED, None),
        ("seed", a_series(), TINY, 2, SEED + 1, None),
        ("inputs of the linear parts", a_series(), TINY, 2, SEED, INPUTS),
    ],
)
def test_a_checkpoint_of_another_training_is_refused_by_what_differs(
    what: str,
    series: TrainingSeries,
    config: EncoderConfig,
    steps: int,
    seed: int,
    inputs: LinearInputs | None,
    kept: Path,
) -> None:
    with pytest.raises(DataError, match=rf"^{kept}.*the checkpoint was made with other {what}; .*delete") as refusal:
        pretrain([series], config, steps, seed, linear_inputs=inputs, checkpoints=kept)
    assert "\n" not in str(refusal.value)


def test_settings_without_effect_may_differ(kept: Path) -> None:
    idle = TINY.model_copy(update={"lstm": TINY.lstm.model_copy(update={"layers": 3})})
    pretrain([a_series()], idle, 2, SEED, checkpoints=kept)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\3\4 half of one"])
def test_a_damaged_checkpoint_is_named_before_anything_is_trained(content: bytes, tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(DataError, match="cannot be read; delete it"):
        pretrain([a_series()], TINY, 2, SEED, killed_at(1), checkpoints=tmp_path)


def test_a_checkpoint_with_a_changed_bit_is_refused(kept: Path) -> None:
    path = kept / CHECKPOINT
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read; delete it"):
        pretrain([a_series()], TINY, 2, SEED, checkpoints=kept)
