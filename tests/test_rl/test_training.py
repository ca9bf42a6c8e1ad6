import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from agv2.backtest.tape import MarketTape
from agv2.core.errors import DataError
from agv2.decision.observation import BOOK_FIELDS
from agv2.rl.checkpoint import _read_sealed
from agv2.rl.episodes import Span
from agv2.rl.policy_adapter import TorchPolicy
from agv2.rl.training import CHECKPOINT, TrainedPolicy, train_policy
from agv2.rl.validation import score_policy
from tests.rl_settings import SMALL_SAC, small_config
from tests.tapes import FREE, a_tape, costs, walk

TAPE = a_tape(walk(400, gap=0.002), costs=costs(half_spread_frac=2e-4))
TRAIN, VALIDATION = [Span(0, 0, 250)], [Span(0, 260, 399)]
STEPS = 16 * 16 * 12


def trained(
    seed: int = 1, algorithm: str = "ppo", patience: int = 0, ent_coef: float | str = 0.01, **changes: object
) -> TrainedPolicy:
    sac = SMALL_SAC.model_copy(update={"ent_coef": ent_coef})
    config = small_config(algorithm=algorithm, patience=patience, sac=sac)
    return train_policy([TAPE], TRAIN, VALIDATION, config, STEPS, seed, 100_000.0, **changes)  # type: ignore[arg-type]


both = pytest.mark.parametrize("algorithm", ["ppo", "sac"])


def weights(result: TrainedPolicy) -> bytes:
    return b"".join(tensor.numpy().tobytes() for tensor in result.network.state_dict().values())


@both
def test_same_seed_same_weights_and_the_worlds_chance_is_left_alone(algorithm: str) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    first = trained(algorithm=algorithm)
    assert torch.equal(torch.rand(4), expected)
    torch.manual_seed(77)
    again = trained(algorithm=algorithm)
    assert weights(again) == weights(first)
    assert again.validation == first.validation
    assert again.curve == first.curve
    assert weights(trained(seed=2, algorithm=algorithm)) != weights(first)


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        trained()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@both
def test_progress_is_told_after_every_update_with_finite_numbers(algorithm: str) -> None:
    told: list[tuple[int, int, Mapping[str, float]]] = []
    result = trained(algorithm=algorithm, progress=lambda step, total, stats: told.append((step, total, stats)))
    assert [step for step, _, _ in told] == [256 * k for k in range(1, 13)]
    assert {total for _, total, _ in told} == {STEPS}
    learnt = {"entropy", "value_loss"} if algorithm == "ppo" else {"entropy_coefficient", "actor_loss", "critic_loss"}
    assert {"reward", "reward/log_equity", "reward/drawdown", "drawdown", *learnt} <= set(told[0][2])
    assert all(np.isfinite(value) for _, _, stats in told for value in stats.values())
    assert len(result.curve) == 12


@both
def test_the_kept_weights_are_those_that_did_best_on_validation(algorithm: str) -> None:
    result = trained(algorithm=algorithm)
    assert [point.step for point in result.validation] == [0, 1024, 2048, 3072]
    assert result.best is not None
    sharpes = [point.score.sharpe_per_bar for point in result.validation]
    assert result.best.score.sharpe_per_bar == max(sharpes)
    assert len(set(sharpes)) > 1
    again = score_policy([TAPE], VALIDATION, TorchPolicy(result.network), 100_000.0)
    assert again == result.best.score


@pytest.mark.parametrize(("algorithm", "ent_coef"), [("ppo", 0.01), ("sac", 0.01), ("sac", "auto")])
def test_a_killed_training_resumes_to_the_very_same_weights(
    algorithm: str, ent_coef: float | str, tmp_path: Path
) -> None:
    uninterrupted = trained(algorithm=algorithm, ent_coef=ent_coef)

    class KilledError(Exception):
        pass

    def kill(step: int, total: int, stats: Mapping[str, float]) -> None:
        if step >= 256 * 8:
            raise KilledError

    with pytest.raises(KilledError):
        trained(algorithm=algorithm, ent_coef=ent_coef, progress=kill, checkpoint_dir=tmp_path)
    assert (tmp_path / CHECKPOINT).exists()
    seen: list[int] = []
    resumed = trained(
        algorithm=algorithm,
        ent_coef=ent_coef,
        checkpoint_dir=tmp_path,
        progress=lambda step, total, stats: seen.append(step),
    )
    assert 256 < seen[0] <= 256 * 8, "it went on from the checkpoint"
    assert weights(resumed) == weights(uninterrupted)
    assert resumed.validation == uninterrupted.validation
    assert resumed.curve == uninterrupted.curve


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    trained(checkpoint_dir=tmp_path)
    with pytest.raises(DataError, match="other bars, settings, seed"):
        trained(seed=2, checkpoint_dir=tmp_path)
    with pytest.raises(DataError, match="other bars, settings, seed"):
        trained(algorithm="sac", checkpoint_dir=tmp_path)


def test_a_damaged_checkpoint_is_refused_whatever_changed(tmp_path: Path) -> None:
    trained(checkpoint_dir=tmp_path)
    path = tmp_path / CHECKPOINT
    whole = path.read_bytes()

    def require_refused(contents: bytes) -> None:
        path.write_bytes(contents)
        with pytest.raises(DataError, match="cannot be read or was changed; delete it"):
            _read_sealed(path)

    for contents in (
        b"",
        whole[:20],
        whole[:1000],
        whole[:-1],
        whole + b"0",
        b"no checkpoint" * 9,
    ):
        require_refused(contents)
    rng = np.random.default_rng(0)
    for place in [0, 31, 32, 40, len(whole) - 1, *rng.integers(0, len(whole), 60).tolist()]:
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        require_refused(bytes(changed))
    path.write_bytes(whole)
    assert _read_sealed(path)["digest"]
    path.write_bytes(whole[:-1])
    with pytest.raises(DataError, match="delete it to train from the start"):
        trained(checkpoint_dir=tmp_path)


def test_what_is_sealed_and_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / CHECKPOINT
    for body in (b"", b"words", pickle.dumps(Path("file"), protocol=2)):
        path.write_bytes(hashlib.sha256(body).digest() + body)
        with pytest.raises(DataError, match="cannot be read"):
            _read_sealed(path)


@both
def test_training_ends_when_validation_has_not_improved_for_some_looks(algorithm: str, tmp_path: Path) -> None:
    def looks(seed: int) -> list[float]:
        return [point.score.sharpe_per_bar for point in trained(seed, algorithm).validation]

    seed = next((seed for seed in range(9) if np.diff(looks(seed))[0] <= 0.0), None)
    assert seed is not None, "some training's second look is no better"
    whole, short = trained(seed, algorithm), trained(seed, algorithm, patience=1, checkpoint_dir=tmp_path)
    assert [point.step for point in short.validation] == [0, 1024]
    assert short.validation == whole.validation[:2]
    assert short.best == short.validation[0]
    assert short.model.num_timesteps < STEPS
    assert len(short.curve) == 4
    again = trained(seed, algorithm, patience=1, checkpoint_dir=tmp_path)
    assert weights(again) == weights(short), "what had given up gives up again"
    assert again.validation == short.validation


def foretold(n_bars: int) -> MarketTape:
    """A random walk whose first market number is the side of the next bar, some of the time."""
    bars = walk(n_bars, seed=3)
    rows = np.random.default_rng(4).normal(size=(n_bars, 8)).astype(np.float32)
    rows[:-1, 0] = np.sign(bars.close[1:] - bars.open[1:])
    return a_tape(bars, rows, costs=FREE)


@pytest.mark.parametrize(
    ("algorithm", "steps"), [("ppo", 120_000), pytest.param("sac", 60_000, marks=pytest.mark.slow)]
)
def test_it_learns_to_follow_a_number_that_tells_the_next_bar(algorithm: str, steps: int) -> None:
    tape = foretold(1_500)
    config = small_config(
        algorithm=algorithm, n_books=64, n_steps=32, batch_size=512, net_arch=(32, 32), n_epochs=4, n_evaluations=2,
        sac=SMALL_SAC.model_copy(update={"buffer_size": 20_000, "learning_starts": 2_000, "train_freq": 1}),
    )  # fmt: skip
    result = train_policy([tape], [Span(0, 0, 1_000)], [Span(0, 1_001, 1_200)], config, steps, 5, 100_000.0)
    test = [Span(0, 1_201, 1_499)]
    learnt = score_policy([tape], test, TorchPolicy(result.network), 100_000.0)
    assert learnt.sharpe_per_bar > 0.7
    assert result.curve[-1]["reward/log_equity"] > 5.0 * abs(result.curve[0]["reward/log_equity"])
    rows = np.zeros((2, 8 + len(BOOK_FIELDS)), dtype=np.float32)
    rows[:, 0] = (1.0, -1.0)
    rows[:, -3:] = 1.0
    assert TorchPolicy(result.network).act(rows).actions[:, 0].tolist() == [1, 2]
