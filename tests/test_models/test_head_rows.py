from dataclasses import replace

import numpy as np
import pytest
import torch

from agv2.core.arrays import FloatArray
from agv2.core.errors import ShapeError
from agv2.models.embedding import embed_history
from agv2.models.head_rows import HiddenBars, head_predictions, head_targets, loss_rows
from agv2.models.head_scores import MEASURES
from agv2.models.masked_model import MaskedModel
from agv2.models.training_rows import TrainingSeries
from tests.test_models.markets import N_FEATURES, TINY, a_series

ROWS = range(400, 700)


def a_model() -> MaskedModel:
    torch.manual_seed(0)
    model = MaskedModel(N_FEATURES, TINY).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0.0, 0.3)
    return model


def test_predictions_are_those_of_the_whole_history() -> None:
    model, series = a_model(), a_series()
    said = head_predictions(model, series, ROWS, TINY)
    whole = embed_history(model.encoder, model.heads, series.features, series.asset_class)
    assert list(said) == list(MEASURES)
    for head, values in (
        ("quantiles", whole.quantiles.reshape(-1, 3, 5)),
        ("regime", whole.regime_probs),
        ("pattern", whole.pattern_probs),
        ("levels", whole.level_probs),
    ):
        np.testing.assert_allclose(said[head], values[ROWS.start : ROWS.stop], atol=1e-5, err_msg=head)


def test_a_prediction_and_its_target_have_the_same_rows() -> None:
    series = a_series()
    said, came = head_predictions(a_model(), series, ROWS, TINY), head_targets(series, ROWS, TINY)
    for head in MEASURES:
        losses = loss_rows(head, said[head], came[head], TINY)
        assert len(losses) == (len(ROWS) if head != "reconstruction" else HiddenBars.of(series, ROWS, TINY).places.size)


def test_what_is_given_back_is_not_what_was_shown() -> None:
    """A hidden bar may become anything else without a difference to what is said of it."""
    model, series = a_model(), a_series()
    hidden = HiddenBars.of(series, ROWS, TINY)
    changed = replace(series, features=series.features.copy())
    changed.features[hidden.places] += 3.0
    one, two = (head_predictions(model, each, ROWS, TINY)["reconstruction"] for each in (series, changed))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(head_targets(series, ROWS, TINY)["reconstruction"], series.features[hidden.places])
    assert (head_targets(changed, ROWS, TINY)["reconstruction"] != series.features[hidden.places]).all()


def test_hidden_bars_are_given_back_by_a_row_with_its_whole_window() -> None:
    hidden = HiddenBars.of(a_series(), ROWS, TINY)
    readers = hidden.places + TINY.mask_span
    assert hidden.places.size > 20
    assert ROWS.start <= readers.min()
    assert readers.max() < ROWS.stop


def test_a_row_without_a_whole_window_is_refused() -> None:
    with pytest.raises(ShapeError, match="TEST: row 30 has fewer than 31 bars before it"):
        head_predictions(a_model(), a_series(), range(30, 100), TINY)


def perfect(head: str, series: TrainingSeries) -> FloatArray:
    came = head_targets(series, ROWS, TINY)[head]
    if head == "quantiles":
        return np.repeat(came[..., None], 5, axis=2)
    return np.eye(3)[came] if head in ("regime", "pattern") else came.astype(np.float64)


@pytest.mark.parametrize("head", MEASURES)
def test_a_perfect_prediction_loses_nothing(head: str) -> None:
    series = a_series()
    losses = loss_rows(head, perfect(head, series), head_targets(series, ROWS, TINY)[head], TINY)
    assert np.isfinite(losses).any()
    assert np.nanmax(losses) == pytest.approx(0.0, abs=1e-9)
