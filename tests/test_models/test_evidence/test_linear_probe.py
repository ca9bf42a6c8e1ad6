from dataclasses import replace

import numpy as np
import pytest
import torch

from agv2.models.evidence.linear_probe import ProbeScore, linear_probe
from agv2.models.evidence.probe_task import SMALLEST_RETURN, probe_tasks
from agv2.models.masked_model import MaskedModel
from agv2.models.training_rows import TrainingSeries
from tests.test_models.markets import N_FEATURES, TINY, a_series

FIT, SCORE = range(100, 4000), range(4100, 6000)


def a_model(seed: int = 0) -> MaskedModel:
    torch.manual_seed(seed)
    return MaskedModel(N_FEATURES, TINY).eval()


def probed(series: TrainingSeries, n_models: int = 1) -> dict[tuple[str, str], ProbeScore]:
    models = [a_model(seed) for seed in range(n_models)]
    found = linear_probe(models, [series], [FIT], [SCORE], TINY, seed=1)
    return {(one.target, one.inputs): one for one in found}


@pytest.fixture(scope="module")
def series() -> TrainingSeries:
    return a_series(n_bars=6000)


def test_every_target_is_probed_with_either_input(series: TrainingSeries) -> None:
    found = probed(series, n_models=2)
    assert list(found) == [
        (target, inputs) for target in ("regime", "pattern", "log_abs_return") for inputs in ("embedding", "both")
    ]
    for one in found.values():
        assert len(one.seed_losses) == 2
        assert one.loss == pytest.approx(np.mean(one.seed_losses))
        assert one.difference.mean == pytest.approx(one.loss - one.features_loss)
    assert found["regime", "both"].features_loss < 0.9 * found["regime", "both"].constant_loss
    assert found["log_abs_return", "both"].measure == "squared_error"


def test_what_only_earlier_bars_tell_is_found_in_the_embedding_and_not_in_the_features(series: TrainingSeries) -> None:
    """The class is the sign of noise one bar ago: even an untrained network has it, and the bar has not."""
    noise = np.random.default_rng(3).standard_normal(series.features.shape).astype(np.float32)
    remembered = replace(series, features=noise, regime=(np.roll(noise[:, 3], 1) > 0.0).astype(np.int64))
    found = probed(remembered)
    for inputs in ("embedding", "both"):
        assert found["regime", inputs].finding == "better"
        assert found["regime", inputs].loss < found["regime", inputs].features_loss - 0.01


def test_an_embedding_of_nothing_is_worse_than_the_features(series: TrainingSeries) -> None:
    model = a_model()
    with torch.no_grad():
        for weight in model.encoder.project.parameters():
            weight.zero_()
    found = linear_probe([model], [series], [FIT], [SCORE], TINY, seed=1)
    regime = {one.inputs: one for one in found if one.target == "regime"}
    assert regime["embedding"].finding == "worse"
    assert regime["embedding"].loss == pytest.approx(regime["embedding"].constant_loss, rel=0.01)
    assert regime["both"].finding == "draw"


def test_scored_targets_teach_nothing(series: TrainingSeries) -> None:
    other = replace(series, regime=series.regime.copy())
    other.regime[SCORE.start :: 2] = -1
    one, two = probed(series)["regime", "both"], probed(other)["regime", "both"]
    assert two.n_rows == one.n_rows // 2
    assert two.constant_loss == pytest.approx(one.constant_loss, rel=0.02)
    assert two.loss == pytest.approx(one.loss, rel=0.05)


def test_a_target_that_nobody_knows_is_left_out(series: TrainingSeries) -> None:
    unknown = replace(series, pattern=np.full(6000, -1))
    assert {target for target, _ in probed(unknown)} == {"regime", "log_abs_return"}
    not_scored = replace(series, pattern=np.where(np.arange(6000) < SCORE.start, series.pattern, -1))
    assert {target for target, _ in probed(not_scored)} == {"regime", "log_abs_return"}


def test_the_tail_is_behind_the_window_and_the_reach(series: TrainingSeries) -> None:
    for task in probe_tasks([series], [FIT], [SCORE], TINY):
        assert task.tail[0].min() - task.teach[0].max() > TINY.window - 1 + series.label_reach
        assert task.whole[0].max() < FIT.stop


def test_no_return_is_so_small_that_its_logarithm_matters_most(series: TrainingSeries) -> None:
    still = replace(series, future=series.future.copy())
    still.future[::3, 0] = 0.0
    (task,) = (each for each in probe_tasks([still], [FIT], [SCORE], TINY) if each.target == "log_abs_return")
    assert task.values[0][:-12].min() == np.log(SMALLEST_RETURN)
