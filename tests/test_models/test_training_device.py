"""Where training runs, and that a lower precision stays in the backbone."""

from typing import Any

import numpy as np
import pytest
import torch

from agv2.core.errors import ConfigError
from agv2.models.encoder import StageOneEncoder
from agv2.models.masked_model import MaskedModel, interpolated
from agv2.models.pretraining import pretrain
from agv2.models.training_batches import training_batch
from agv2.models.training_device import training_device
from tests.test_models.markets import N_FEATURES, SMALL, TINY, a_series

LOW = TINY.model_copy(update={"precision": "bfloat16"})
FULL = TINY.model_copy(update={"precision": "float32"})


@pytest.mark.parametrize(
    ("gpu", "config", "expected"),
    [
        (None, TINY, ("cpu", "32-true")),
        (None, FULL, ("cpu", "32-true")),
        (None, LOW, ("cpu", "bf16-mixed")),
        ("old", TINY, ("gpu", "32-true")),
        ("old", FULL, ("gpu", "32-true")),
        ("new", TINY, ("gpu", "bf16-mixed")),
        ("new", FULL, ("gpu", "32-true")),
        ("new", LOW, ("gpu", "bf16-mixed")),
    ],
)
def test_the_best_there_is_unless_told_otherwise(
    gpu: str | None, config: Any, expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu is not None)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: gpu == "new")
    assert training_device(config) == expected


def test_a_precision_that_the_gpu_has_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    with pytest.raises(ConfigError, match=r"encoder\.precision"):
        training_device(LOW)


def test_bfloat16_trains_other_weights_which_are_float32_and_hardly_worse() -> None:
    series = [a_series()]
    low, full = (pretrain(series, config, 12, 7) for config in (LOW, FULL))
    assert {weight.dtype for weight in low.model.parameters()} == {torch.float32}
    # In training, since heads that the embedding does not help are as they were before it, whatever the precision. Not
    # in the first steps alone: what they move the heads by may round to the same loss.
    assert [look.train for look in low.log] != [look.train for look in full.log]
    assert low.log[-1].train == pytest.approx(full.log[-1].train, rel=0.02)


def test_heads_and_losses_stay_in_float32() -> None:
    model = MaskedModel(N_FEATURES, TINY).eval()
    batch = training_batch([a_series()], [range(100, 900)], TINY, np.random.default_rng(0))
    with torch.autocast("cpu", torch.bfloat16):
        losses = model(batch)
        assert {loss.dtype for loss in losses} == {torch.float32}
        # Untrained heads read no embedding yet: they lose exactly what they lose without a lower precision.
        low = losses.quantiles
    assert torch.equal(low, model(batch).quantiles)


@pytest.mark.parametrize("backbone", SMALL)
def test_no_tensor_is_made_on_another_device_than_the_bars(backbone: str) -> None:
    """`meta` stands in for a GPU: whatever mixes it with the CPU fails."""
    encoder = StageOneEncoder(N_FEATURES, SMALL[backbone]).to("meta").train()
    embedding = encoder(torch.zeros(2, 100, N_FEATURES, device="meta"))
    assert embedding.device.type == "meta"
    masked = torch.zeros(2, 100, dtype=torch.bool, device="meta")
    assert interpolated(torch.zeros(2, 100, N_FEATURES, device="meta"), masked).device.type == "meta"
