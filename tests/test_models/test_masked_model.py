import numpy as np
import torch

from agv2.models.head_baselines import reconstruction_baselines
from agv2.models.masked_model import MaskedModel, interpolated
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
    )


def test_what_is_hidden_reaches_no_prediction() -> None:
    model, batch = _model(), _batch()
    changed = batch._replace(features=torch.where(batch.masked[..., None], 7.0, batch.features))
    before, after = model(batch), model(changed)
    assert torch.equal(before.quantiles, after.quantiles)
    assert torch.equal(before.regime, after.regime)
    assert not torch.equal(before.reconstruction, after.reconstruction)  # it is what has to be given back


def test_only_hidden_bars_are_reconstructed() -> None:
    nothing_hidden = _batch()._replace(masked=torch.zeros(2, BARS, dtype=torch.bool))
    assert _model()(nothing_hidden).reconstruction.item() == 0.0


def test_the_line_over_hidden_bars_is_the_baselines() -> None:
    batch = _batch()
    masked = batch.masked[0].numpy()
    line = interpolated(batch.features, batch.masked)[0].numpy()
    bars = batch.features[0].numpy()
    error = np.abs(line - bars)[masked]
    expected = reconstruction_baselines(bars, masked, masked)["linear interpolation"]
    np.testing.assert_allclose(np.where(error < 1, error**2 / 2, error - 0.5).mean(), expected, rtol=1e-5)
    np.testing.assert_array_equal(line[~masked], bars[~masked])


def test_every_part_learns_from_its_loss() -> None:
    model, batch = _model().train(), _batch()
    sum(model(batch)).backward()
    without = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert without == []
