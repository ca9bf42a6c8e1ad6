from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from agv2.models.config import EncoderConfig, HeadWeights
from agv2.models.evidence.findings import BaselineComparison, HeadEvidence
from agv2.models.evidence.head_evidence import head_evidence
from agv2.models.head_scores import MEASURES, head_losses
from agv2.models.linear_start import fit_linear_parts
from agv2.models.masked_model import MaskedModel
from agv2.models.pretraining import unconditional_targets
from agv2.models.training_rows import TrainingSeries
from tests.test_models.markets import N_FEATURES, TINY, a_series

FIT, SCORE = range(100, 5000), range(5100, 7000)


@pytest.fixture(scope="module")
def series() -> TrainingSeries:
    return a_series(n_bars=7000)


def a_model(series: TrainingSeries, seed: int = 0, fitted: bool = False) -> MaskedModel:
    """Heads that say what is usual, or what a straight line through the features makes of it."""
    torch.manual_seed(seed)
    model = MaskedModel(N_FEATURES, TINY).eval()
    model.heads.start_at_baseline(unconditional_targets([series], [FIT], TINY))
    if fitted:
        fit_linear_parts(model.heads, [series], [FIT], TINY)
    return model


@pytest.fixture(scope="module")
def fitted(series: TrainingSeries) -> MaskedModel:
    return a_model(series, fitted=True)


def judged(
    models: Sequence[MaskedModel],
    series: TrainingSeries,
    config: EncoderConfig = TINY,
    costly: bool = False,
    seed: int = 1,
) -> tuple[HeadEvidence, ...]:
    return head_evidence(models, [series], [FIT], [SCORE], config, costly=costly, seed=seed)


def against(found: Sequence[HeadEvidence], head: str, baseline: str, horizon: int | None = None) -> BaselineComparison:
    (cell,) = (one for one in found if (one.head, one.horizon) == (head, horizon))
    (comparison,) = (each for each in cell.comparisons if each.baseline == baseline)
    return comparison


def test_there_is_a_cell_for_every_head_and_every_horizon(series: TrainingSeries) -> None:
    found = judged([a_model(series)], series)
    cells = [(one.head, one.horizon) for one in found]
    heads = ["regime", "pattern", "levels", "reconstruction"]
    assert cells == [("quantiles", h) for h in TINY.horizons] + [(head, None) for head in heads]
    assert {one.measure for one in found} == set(MEASURES.values())
    assert [one.n_rows for one in found[:3]] == [len(SCORE) - h for h in TINY.horizons]


def test_what_says_the_usual_is_no_better_than_the_usual(series: TrainingSeries) -> None:
    found = judged([a_model(series)], series)
    for head, baseline, horizon in (
        ("quantiles", "unconditional", 3),
        ("pattern", "class frequencies", None),
        ("levels", "band frequencies", None),
        ("reconstruction", "linear interpolation", None),
    ):
        one = against(found, head, baseline, horizon)
        assert one.finding == "draw"
        assert one.difference.mean == pytest.approx(0.0, abs=0.002)


def test_a_head_that_knows_volatility_is_better_than_the_usual(series: TrainingSeries, fitted: MaskedModel) -> None:
    found = judged([fitted], series)
    assert against(found, "quantiles", "unconditional", 1).finding == "better"
    assert against(found, "regime", "class frequencies").finding == "better"
    regime = next(one for one in found if one.head == "regime")
    assert regime.measures["balanced_accuracy"] > 0.6
    assert regime.baseline_measures["class frequencies"]["balanced_accuracy"] == 0.5


def test_a_spoilt_head_is_worse(series: TrainingSeries) -> None:
    model = a_model(series)
    with torch.no_grad():
        model.heads.get_buffer("medians").add_(1.0)
    found = judged([model], series)
    assert {against(found, "quantiles", "unconditional", h).finding for h in TINY.horizons} == {"worse"}
    assert next(one for one in found if one.head == "quantiles").measures["pit_deviation"] > 0.2


def test_losses_are_those_of_the_heads_averaged_over_the_encoders(series: TrainingSeries, fitted: MaskedModel) -> None:
    models = [a_model(series), fitted]
    found = judged(models, series)
    alone = [head_losses(model, [series], [SCORE], TINY) for model in models]
    for one in found[len(TINY.horizons) :]:
        np.testing.assert_allclose(one.seed_losses, [each[one.head] for each in alone])
        assert one.loss == pytest.approx(np.mean(one.seed_losses))
        for comparison in one.comparisons:
            assert comparison.difference.mean == pytest.approx(one.loss - comparison.loss)


def test_blocks_are_as_long_as_targets_hang_together(series: TrainingSeries) -> None:
    found = judged([a_model(series)], series)
    assert against(found, "quantiles", "HAR", 12).difference.block_length >= 12
    assert against(found, "levels", "random levels").difference.block_length >= series.label_reach
    assert against(found, "reconstruction", "zero").difference.block_length >= TINY.mask_span
    whole = replace(series, regime=np.repeat([0, 1, 2, 0, 1, 2, 0], 1000))
    assert against(judged([a_model(series)], whole), "regime", "majority class").difference.block_length >= 900


def test_a_head_without_weight_or_targets_is_left_out(series: TrainingSeries) -> None:
    untrained = TINY.model_copy(update={"head_weights": HeadWeights(levels=0.0)})
    unknown = replace(series, pattern=np.full(7000, -1))
    found = judged([a_model(series)], unknown, untrained)
    assert {one.head for one in found} == {"quantiles", "regime", "reconstruction"}


def test_costly_baselines_come_when_asked_for(series: TrainingSeries) -> None:
    found = judged([a_model(series)], series, costly=True)
    names = {one.head: [each.baseline for each in one.comparisons] for one in found}
    assert names["quantiles"] == ["unconditional", "EWMA", "HAR", "GARCH-t"]
    assert names["regime"] == names["pattern"] == ["class frequencies", "majority class", "boosted trees"]
    cheap = judged([a_model(series)], series)
    assert against(cheap, "quantiles", "HAR", 1) == against(found, "quantiles", "HAR", 1)  # no stream of chance moved


def test_symbols_are_judged_apart(series: TrainingSeries) -> None:
    other = replace(a_series("OTHER", n_bars=7000, seed=8), regime=np.full(7000, -1))
    both = head_evidence([a_model(series)], [series, other], [FIT] * 2, [SCORE] * 2, TINY, costly=False, seed=1)
    assert [one for one in both if one.symbol == series.symbol] == list(judged([a_model(series)], series))
    assert "regime" not in {one.head for one in both if one.symbol == "OTHER"}


def test_the_same_seed_gives_the_same_evidence_and_progress_ends_before_the_end(series: TrainingSeries) -> None:
    told: list[float] = []
    model = a_model(series)
    found = head_evidence(
        [model], [series], [FIT], [SCORE], TINY, costly=False, seed=1, report=lambda share, text: told.append(share)
    )
    assert found == judged([model], series)
    assert found != judged([model], series, seed=2)
    assert told == sorted(told)
    assert told[0] == 0.0
    assert told[-1] < 1.0
