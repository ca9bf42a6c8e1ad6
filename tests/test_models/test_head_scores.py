from dataclasses import replace

import numpy as np
import torch

from agv2.models.head_scores import HeadScore, beats, score_heads
from agv2.models.masked_model import MaskedModel
from agv2.models.pretraining import unconditional_targets
from agv2.models.training_rows import purged_rows
from tests.test_models.markets import N_FEATURES, TINY, a_series


def _untrained() -> MaskedModel:
    torch.manual_seed(0)
    model = MaskedModel(N_FEATURES, TINY)
    series = a_series()
    (rows,) = purged_rows([series], TINY)
    model.heads.start_at_baseline(unconditional_targets([series], [rows.train], TINY))
    return model


def test_the_baseline_to_beat_is_the_best_one() -> None:
    score = HeadScore("quantiles", "pinball", 0.25, {"a": 0.27, "b": 0.26}, 0.2, 0.24)
    assert (score.baseline, score.baseline_name, score.beats) == (0.26, "b", True)


def test_a_head_that_only_equals_its_baseline_does_not_beat_it() -> None:
    assert not HeadScore("regime", "log_loss", 1.0, {"a": 1.0, "b": 2.0}, 0.9, 1.0).beats


def test_an_untrained_head_scores_as_its_unconditional_baseline() -> None:
    series = a_series()
    scores = {one.head: one for one in score_heads(_untrained(), [series], purged_rows([series], TINY), TINY, seed=1)}
    assert list(scores) == ["quantiles", "regime", "pattern", "levels", "reconstruction"]
    for head, name in (
        ("quantiles", "unconditional"),
        ("regime", "class frequencies"),
        ("pattern", "class frequencies"),
        ("levels", "band frequencies"),
        ("reconstruction", "linear interpolation"),
    ):
        one = scores[head]
        np.testing.assert_allclose(one.score, one.baselines[name], rtol=0.01)
        assert one.baseline <= one.baselines[name]


def test_a_head_without_targets_has_no_score() -> None:
    unknown, no_bands = np.full(1200, -1), np.full((1200, 16), -1, dtype=np.int8)
    series = replace(a_series(), regime=unknown, pattern=unknown, reacted=no_bands)
    scores = score_heads(_untrained(), [series], purged_rows([series], TINY), TINY, seed=1)
    assert [one.head for one in scores] == ["quantiles", "reconstruction"]


def test_two_symbols_are_scored_together() -> None:
    one, other = a_series("A"), a_series("B", seed=5)
    model = _untrained()
    alone = [score_heads(model, [s], purged_rows([s], TINY), TINY, seed=1)[0].score for s in (one, other)]
    both = score_heads(model, [one, other], purged_rows([one, other], TINY), TINY, seed=1)[0].score
    np.testing.assert_allclose(both, np.mean(alone), rtol=1e-5)


def test_a_draw_is_no_win() -> None:
    assert not beats(0.20688074, 0.20688076)
    assert not beats(1.0, 0.9)
    assert not beats(float("nan"), 1.0)
    assert beats(0.99, 1.0)
