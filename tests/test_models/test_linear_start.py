from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from agv2.features.labels import breakout, level_reaction, regime
from agv2.models import linear_start
from agv2.models.bar_basis import LinearInputs
from agv2.models.heads import HeadPredictions, MultiTaskHeads
from agv2.models.linear_start import fit_linear_parts
from agv2.models.losses import class_loss, level_loss, pinball_loss
from agv2.models.pretraining import unconditional_targets
from agv2.models.training_rows import TrainingSeries
from tests.test_models.markets import N_FEATURES, TINY, a_series

ROWS = range(31, 3000)
LATER = slice(3050, 3950)


def _started(series: TrainingSeries) -> MultiTaskHeads:
    heads = MultiTaskHeads(N_FEATURES, TINY).eval()
    heads.start_at_baseline(unconditional_targets([series], [ROWS], TINY))
    return heads


def _fitted(series: TrainingSeries, inputs: LinearInputs | None = None) -> MultiTaskHeads:
    heads = _started(series)
    fit_linear_parts(heads, [series], [ROWS], TINY, inputs)
    return heads


def _said(heads: MultiTaskHeads, features: Tensor) -> HeadPredictions:
    with torch.no_grad():
        said: HeadPredictions = heads(torch.randn(len(features), TINY.embedding_dim), features)
    return said


def _losses(heads: MultiTaskHeads, series: TrainingSeries) -> dict[str, float]:
    said = _said(heads, torch.from_numpy(series.features[LATER]))
    returns = torch.from_numpy(series.future[LATER].astype(np.float32))
    found = {
        "quantiles": pinball_loss(said.quantiles, returns, torch.tensor(TINY.quantile_levels)),
        "regime": class_loss(said.regime_logits, torch.from_numpy(series.regime[LATER])),
        "pattern": class_loss(said.pattern_logits, torch.from_numpy(series.pattern[LATER])),
        "levels": level_loss(said.level_logits, torch.from_numpy(series.reacted[LATER])),
    }
    return {name: float(loss) for name, loss in found.items()}


def test_every_head_learns_what_the_bar_says() -> None:
    series = a_series(n_bars=4000, persistence=1.0)
    before, after = _losses(_started(series), series), _losses(_fitted(series), series)
    assert after["quantiles"] < 0.98 * before["quantiles"]
    assert after["regime"] < 0.95 * before["regime"]
    assert after["pattern"] < 0.998 * before["pattern"]
    assert after["levels"] < 0.999 * before["levels"]


def test_where_nothing_can_be_learnt_almost_nothing_is_lost() -> None:
    series = a_series(n_bars=4000)
    noise = np.random.default_rng(1).standard_normal(series.features.shape).astype(np.float32)
    series = replace(series, features=noise)
    before, after = _losses(_started(series), series), _losses(_fitted(series), series)
    for head, loss in after.items():
        assert loss < 1.01 * before[head]


def test_a_size_is_learnt_that_no_linear_function_of_the_feature_could_tell() -> None:
    generator = np.random.default_rng(2)
    series = a_series(n_bars=4000)
    features = generator.standard_normal(series.features.shape).astype(np.float32)
    future = np.exp(np.abs(features[:, :1])) * generator.standard_normal((4000, len(TINY.horizons)))
    series = replace(series, features=features, future=future)
    heads = _fitted(series)
    assert _losses(heads, series)["quantiles"] < 0.93 * _losses(_started(series), series)["quantiles"]
    few = torch.zeros(3, N_FEATURES)
    few[:, 0] = torch.tensor([-2.0, 0.0, 2.0])
    low, middle, high = (_said(heads, few).quantiles[:, -1]).tolist()
    assert low > 2.0 * middle
    assert high > 2.0 * middle


def test_the_nearer_of_two_levels_is_learnt_on_either_side() -> None:
    generator = np.random.default_rng(3)
    series = a_series(n_bars=4000)
    features = generator.uniform(0.0, 4.0, series.features.shape).astype(np.float32)
    is_near = features[:, :2].min(axis=1) < 0.7
    series = replace(series, features=features, pattern=is_near.astype(np.int64))
    every, levels = np.arange(N_FEATURES) == 3, np.arange(N_FEATURES) < 2
    losses = [
        _losses(_fitted(series, LinearInputs(every, levels, nearest)), series)["pattern"]
        for nearest in ((0, 1), (2, 3))
    ]
    assert losses[0] < 0.7 * losses[1]


def test_the_linear_parts_are_frozen_and_the_deep_parts_untouched() -> None:
    heads = _fitted(a_series(n_bars=4000, persistence=1.0))
    for head in (heads.quantile, heads.regime, heads.pattern, heads.level_map):
        assert head.linear.weight.any()
        assert not any(part.requires_grad for part in head.linear.parameters())
        assert not head.deep.weight.any()
        assert head.deep.weight.requires_grad
    assert all(part.grad is None for part in heads.parameters())


def test_features_that_are_not_read_have_no_weight() -> None:
    read = np.arange(N_FEATURES) < 1
    heads = _fitted(a_series(n_bars=4000, persistence=1.0), LinearInputs(read, np.roll(read, 1), (2, 3)))
    plain, with_levels = (
        heads.basis.columns(read, nearest=False),
        heads.basis.columns(read | np.roll(read, 1), nearest=True),
    )
    for head, columns in (
        (heads.quantile, plain),
        (heads.regime, plain),
        (heads.pattern, with_levels),
        (heads.level_map, plain),
    ):
        assert (head.linear.weight != 0.0).any(dim=0).nonzero().squeeze(-1).tolist() == columns.tolist()


def test_a_head_without_a_known_target_stays_where_it_started() -> None:
    series = a_series(n_bars=4000)
    series = replace(series, pattern=np.full(4000, -1), reacted=np.full_like(series.reacted, -1))
    heads = _fitted(
        series, LinearInputs(np.ones(N_FEATURES, dtype=np.bool_), np.zeros(N_FEATURES, dtype=np.bool_), (0, 1))
    )
    assert not heads.pattern.linear.weight.any()
    assert not heads.level_map.linear.weight.any()
    assert heads.quantile.linear.weight.any()


def test_thinned_rows_say_almost_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    series = a_series(n_bars=4000, persistence=1.0)
    before, every = (_losses(heads, series)["quantiles"] for heads in (_started(series), _fitted(series)))
    monkeypatch.setattr(linear_start, "MOST_ROWS", 1000)
    assert _losses(_fitted(series), series)["quantiles"] < every + 0.2 * (before - every)


def test_the_same_rows_give_the_same_weights() -> None:
    series = a_series(n_bars=2000)
    one, other = (_fitted(series).state_dict() for _ in range(2))
    deep = ("hidden", "reconstruction")
    assert all(torch.equal(one[name], other[name]) for name in one if not any(part in name for part in deep))


def test_targets_repeat_for_as_long_as_labels_look() -> None:
    assert linear_start.PATTERN_BARS == breakout.HORIZON
    assert linear_start.TURN_BARS == level_reaction.HORIZON
    assert linear_start.REGIME_BARS == regime._MIN_SEGMENT_BARS
