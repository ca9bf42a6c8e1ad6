import numpy as np
import pytest
import torch

from agv2.models.config import HeadWeights
from agv2.models.head_baselines import reconstruction_baselines
from agv2.models.head_outputs import LEVEL_BANDS
from agv2.models.masked_model import HeadLosses, MaskedModel, interpolated
from agv2.models.training_batches import Batch, masked_spans
from tests.test_models.markets import N_FEATURES, TINY

ROWS = 100
BARS = ROWS + TINY.window - 1


def _model() -> MaskedModel:
    torch.manual_seed(0)
    model = MaskedModel(N_FEATURES, TINY).eval()
    with torch.no_grad():
        for weight in model.heads.parameters():
            weight.normal_(0.0, 0.3)
    return model


def _batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(
        features=torch.randn(2, BARS, N_FEATURES, generator=generator),
        masked=torch.from_numpy(np.stack([masked_spans(BARS, 0.2, 4, np.random.default_rng(i)) for i in range(2)])),
        returns=torch.randn(2, ROWS, 3, generator=generator),
        regime=torch.randint(0, 3, (2, ROWS), generator=generator),
        pattern=torch.randint(-1, 3, (2, ROWS), generator=generator),
        reacted=torch.randint(-1, 2, (2, ROWS, LEVEL_BANDS), generator=generator).to(torch.int8),
        asset_class=torch.tensor([0, 2]),
    )


def test_what_is_hidden_reaches_no_prediction() -> None:
    model, batch = _model(), _batch()
    changed = batch._replace(features=torch.where(batch.masked[..., None], 7.0, batch.features))
    before, after = model(batch), model(changed)
    assert torch.equal(before.quantiles, after.quantiles)
    assert torch.equal(before.regime, after.regime)
    assert torch.equal(before.pattern, after.pattern)
    assert torch.equal(before.levels, after.levels)
    assert not torch.equal(before.reconstruction, after.reconstruction)  # it is what has to be given back


def test_only_hidden_bars_are_reconstructed() -> None:
    nothing_hidden = _batch()._replace(masked=torch.zeros(2, BARS, dtype=torch.bool))
    assert _model()(nothing_hidden).reconstruction.item() == 0.0


def test_the_line_over_hidden_bars_is_the_baselines() -> None:
    batch = _batch()
    masked = batch.masked[0].numpy()
    line = interpolated(batch.features, batch.masked)[0].numpy()
    bars = batch.features[0].numpy()
    expected = reconstruction_baselines(bars, masked, masked)["linear interpolation"]
    np.testing.assert_allclose(line[masked], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(line[~masked], bars[~masked])


def test_every_part_learns_from_its_loss() -> None:
    model, batch = _model().train(), _batch()
    sum(model(batch)).backward()
    without = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert without == []


def test_fixed_weights_add_up_and_a_head_without_weight_counts_nothing() -> None:
    weights = HeadWeights(quantiles=1.0, regime=0.5, pattern=0.0, levels=0.25, reconstruction=2.0)
    model = MaskedModel(N_FEATURES, TINY.model_copy(update={"head_weights": weights}))
    total = model.weighted(HeadLosses(*(torch.tensor(x) for x in (1.0, 2.0, 100.0, 4.0, 3.0))))
    assert total.item() == pytest.approx(1.0 + 1.0 + 1.0 + 6.0)


def test_learnt_sizes_make_a_weight_a_share_whatever_the_unit() -> None:
    model = MaskedModel(N_FEATURES, TINY.model_copy(update={"head_weighting": "uncertainty"}))
    sizes = {"quantiles": 0.2, "regime": 1.0, "pattern": 0.9, "levels": 0.1, "reconstruction": 3.0}
    model.start_sizes(sizes)
    losses = HeadLosses(*(torch.tensor(sizes[head], requires_grad=True) for head in HeadLosses._fields))
    model.weighted(losses).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    weights = TINY.head_weights.model_dump()
    for head, loss in losses._asdict().items():
        assert loss.grad.item() * sizes[head] == pytest.approx(weights[head], rel=1e-5)
    assert model.log_sizes is not None
    assert model.log_sizes.grad is not None
    assert torch.allclose(model.log_sizes.grad, torch.zeros(5), atol=1e-6)  # the best size is the loss itself


def test_what_is_known_of_a_market_reaches_its_predictions() -> None:
    model, batch = _model(), _batch()
    with torch.no_grad():
        model.encoder.asset_classes.normal_()
    other = batch._replace(asset_class=torch.tensor([0, 3]))
    assert not torch.equal(model(batch).quantiles, model(other).quantiles)


def test_a_class_nobody_was_trained_on_is_that_of_any_market() -> None:
    model = MaskedModel(N_FEATURES, TINY).eval()
    bars = torch.randn(2, BARS, N_FEATURES)
    assert torch.equal(model.encoder(bars, torch.tensor([1, 4])), model.encoder(bars))
