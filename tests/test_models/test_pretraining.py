import os
import signal
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch

from agv2.core.errors import ConfigError, DataError, ShapeError
from agv2.models.head_scores import MEASURES
from agv2.models.pretraining import PretrainedEncoder, pretrain
from agv2.models.training_log import TrainingLook
from agv2.models.training_rows import TrainingSeries, purged_rows
from tests.test_models.markets import SMALL, TINY, a_series

STEPS = 8
FAST = {"masked_chunks": 1.0, "learning_rate": 3e-3}


def _assert_same_weights(one: PretrainedEncoder, other: PretrainedEncoder) -> None:
    for name, weight in one.arrays().items():
        np.testing.assert_array_equal(weight, other.arrays()[name], err_msg=name)


def _differ(one: PretrainedEncoder, other: PretrainedEncoder) -> bool:
    return any(not np.array_equal(weight, other.arrays()[name]) for name, weight in one.arrays().items())


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    series = [a_series(persistence=0.5)]
    first, again, other = (pretrain(series, TINY, STEPS, seed) for seed in (7, 7, 8))
    _assert_same_weights(first, again)
    assert first.scores == again.scores
    assert _differ(first, other)


def test_nothing_after_the_training_rows_reaches_the_weights_but_the_selection() -> None:
    series = a_series(persistence=0.5)
    (rows,) = purged_rows([series], TINY)
    scoring = slice(rows.score.start, None)
    changed = replace(series, features=series.features.copy(), future=series.future.copy(), regime=series.regime.copy())
    changed.features[scoring] = 0.0
    changed.future[scoring] *= -3.0
    changed.regime[scoring] = 2
    first, second = pretrain([series], TINY, STEPS, 7), pretrain([changed], TINY, STEPS, 7)
    _assert_same_weights(first, second)
    assert first.scores != second.scores


def test_it_finds_a_planted_edge_and_beats_every_baseline() -> None:
    trained = pretrain([a_series(n_bars=4000, persistence=1.0)], TINY, 40, 7)
    quantiles = trained.scores[0]
    assert quantiles.head == "quantiles"
    assert quantiles.beats
    assert quantiles.score < 0.97 * quantiles.baseline


def test_progress_names_every_head_at_every_step() -> None:
    seen: list[tuple[int, int, Mapping[str, float], TrainingLook]] = []
    trained = pretrain([a_series()], TINY, STEPS, 7, lambda *told: seen.append(told))
    assert [step for step, _, _, _ in seen] == list(range(1, trained.steps + 1))
    assert {total for _, total, _, _ in seen} == {STEPS}
    for _, _, losses, look in seen:
        for each in (losses, look.selection):
            assert set(each) == set(MEASURES)
            assert np.isfinite(list(each.values())).all()


def test_each_look_is_told_at_its_step_and_logged_with_the_mean_losses_since_the_one_before() -> None:
    seen: list[tuple[int, Mapping[str, float], TrainingLook]] = []
    config = TINY.model_copy(update={"masked_chunks": 1.0})
    trained = pretrain([a_series()], config, STEPS, 7, lambda step, _, losses, look: seen.append((step, losses, look)))
    assert [look.step for look in trained.log] == [0, 2, 4, 6, 8]
    assert trained.log[0].train == {}
    for look in trained.log[1:]:
        assert next(told for step, _, told in seen if step == look.step) == look
        since = [losses for step, losses, _ in seen if look.step - 2 < step <= look.step]
        assert look.train == pytest.approx({head: (since[0][head] + since[1][head]) / 2 for head in MEASURES})
        assert 0.0 < look.learning_rate <= config.learning_rate
    best = next(look for look in trained.log if look.step == trained.best_step)
    scores = {score.head: score.validation_score for score in trained.scores}
    assert scores == best.selection, "the weights that were kept are those that were looked at"


def test_batches_without_hidden_bars_do_not_count_as_perfect_reconstructions() -> None:
    never = TINY.model_copy(update={"masked_chunks": 0.0})
    trained = pretrain([a_series()], never, 2, 7)
    assert set(trained.log[-1].train) == set(MEASURES) - {"reconstruction"}


def test_training_ends_early_when_selection_stops_improving() -> None:
    hopeless = TINY.model_copy(update={"patience": 1, "learning_rate": 1.0, "evaluations": 20})
    trained = pretrain([a_series()], hopeless, 200, 7)
    assert trained.steps < 200
    assert trained.best_step < trained.steps


def test_global_random_state_and_the_interrupt_handler_are_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    handler = signal.getsignal(signal.SIGINT)
    pretrain([a_series()], TINY, 2, 7)
    assert torch.equal(torch.rand(3), expected)
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_comes_through_as_itself() -> None:
    handler = signal.getsignal(signal.SIGINT)

    def interrupt(step: int, *_: object) -> None:
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        pretrain([a_series()], TINY, STEPS, 7, interrupt)
    assert signal.getsignal(signal.SIGINT) is handler


def test_what_progress_raises_is_passed_on() -> None:
    def stop(*_: object) -> None:
        raise TimeoutError("enough")

    with pytest.raises(TimeoutError, match="enough"):
        pretrain([a_series()], TINY, STEPS, 7, stop)


def _waves() -> TrainingSeries:
    """A straight line over the hidden bars misses waves, the bars around tell them."""
    place = np.arange(1200)[:, None]
    waves = np.sin(2 * np.pi * place / np.array([5.0, 6.0, 7.0, 9.0]) + np.arange(4))
    return replace(a_series(), features=waves.astype(np.float32))


@pytest.mark.parametrize("backbone", SMALL)
def test_each_backbone_learns_what_only_its_window_tells_and_repeats_itself(backbone: str) -> None:
    series, config = [_waves()], SMALL[backbone].model_copy(update=FAST)
    trained = pretrain(series, config, 60, 7)
    rebuilt = {score.head: score for score in trained.scores}["reconstruction"]
    assert rebuilt.score < 0.95 * rebuilt.baselines["linear interpolation"]
    _assert_same_weights(trained, pretrain(series, config, 60, 7))


def test_two_symbols_train_one_encoder() -> None:
    trained = pretrain([a_series("A"), a_series("B", seed=3)], TINY, STEPS, 7)
    assert [score.head for score in trained.scores] == list(MEASURES)


def test_it_survives_its_arrays() -> None:
    trained = pretrain([a_series()], TINY, 2, 7)
    _assert_same_weights(trained, PretrainedEncoder.from_arrays(trained.arrays(), TINY))
    with pytest.raises(ShapeError, match="do not fit"):
        PretrainedEncoder.from_arrays(trained.arrays(), TINY.model_copy(update={"channels": 16}))


def test_what_cannot_be_trained_is_refused_before_any_training() -> None:
    series = a_series()
    with pytest.raises(DataError, match="give more bars"):
        pretrain([a_series(n_bars=150)], TINY, STEPS, 7)
    with pytest.raises(ConfigError, match="at least 1"):
        pretrain([series], TINY, 0, 7)
    with pytest.raises(ConfigError, match="begin with 1 bar"):
        pretrain([series], TINY.model_copy(update={"horizons": (2, 3, 12)}), STEPS, 7)
    with pytest.raises(DataError, match="no forward return"):
        pretrain([replace(series, future=np.full((1200, 3), np.nan))], TINY, STEPS, 7)
    with pytest.raises(ShapeError, match="one number of features"):
        pretrain([series, replace(series, symbol="B", features=series.features[:, :2])], TINY, STEPS, 7)
    with pytest.raises(DataError, match="no series"):
        pretrain([], TINY, STEPS, 7)


def test_the_class_of_a_market_is_learnt_for_those_trained_on_alone() -> None:
    gold, ether = replace(_waves(), symbol="GOLD", asset_class=2), replace(_waves(), symbol="ETHER", asset_class=1)
    learnt = pretrain([gold, ether], TINY.model_copy(update=FAST), steps=60, seed=7).encoder.asset_classes.detach()
    assert learnt.any(dim=1).tolist() == [False, True, True, False, False]
    assert not torch.equal(learnt[1], learnt[2])


def test_a_quantile_head_without_weight_needs_no_returns() -> None:
    series = replace(a_series(), future=np.full((1200, len(TINY.horizons)), np.nan))
    with pytest.raises(DataError, match="no forward return is known"):
        pretrain([series], TINY, 2, 7)
    weights = TINY.head_weights.model_copy(update={"quantiles": 0.0})
    trained = pretrain([series], TINY.model_copy(update={"head_weights": weights}), 2, 7)
    assert "quantiles" not in {score.head for score in trained.scores}
    assert all(np.isfinite(weight).all() for weight in trained.arrays().values())
