import math

import pytest
import torch

from agv2.models.losses import class_loss, level_loss, pinball_loss, reconstruction_loss

LEVELS = torch.tensor([0.1, 0.5, 0.9])


def test_pinball_is_zero_when_every_quantile_is_the_return() -> None:
    returns = torch.randn(7, 2)
    assert pinball_loss(returns.repeat_interleave(3, dim=-1), returns, LEVELS).item() == 0.0


def test_pinball_weighs_a_miss_by_its_level() -> None:
    above, below = torch.tensor([[1.0]]), torch.tensor([[-1.0]])
    zero = torch.zeros(1, 3)
    assert pinball_loss(zero, above, LEVELS).item() == pytest.approx((0.1 + 0.5 + 0.9) / 3)
    assert pinball_loss(zero, below, LEVELS).item() == pytest.approx((0.9 + 0.5 + 0.1) / 3)
    assert pinball_loss(zero, above, torch.tensor([0.9, 0.9, 0.9])).item() == pytest.approx(0.9)


def test_pinball_is_least_at_the_quantiles_of_the_returns() -> None:
    returns = torch.randn(20_000, 1)
    right = returns[:, 0].quantile(LEVELS)
    best = pinball_loss(right.expand(20_000, 3), returns, LEVELS)
    for wrong in (right * 1.1, right * 0.9, right + 0.1):
        assert pinball_loss(wrong.expand(20_000, 3), returns, LEVELS) > best


def test_an_unknown_return_neither_counts_nor_poisons_the_gradient() -> None:
    quantiles = torch.zeros(2, 3, requires_grad=True)
    loss = pinball_loss(quantiles, torch.tensor([[1.0], [math.nan]]), LEVELS)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert loss.item() == pytest.approx(0.5)
    assert quantiles.grad is not None
    assert torch.isfinite(quantiles.grad).all()
    assert (quantiles.grad[1] == 0).all()


def test_class_loss_falls_to_zero_as_the_right_class_takes_all() -> None:
    labels = torch.tensor([0, 1, 2, -1])
    sure = 50.0 * torch.nn.functional.one_hot(labels.clamp_min(0), 3).float()
    assert class_loss(sure, labels).item() == pytest.approx(0.0, abs=1e-6)
    assert class_loss(torch.zeros(4, 3), labels).item() == pytest.approx(math.log(3))


def test_reconstruction_loss_is_zero_when_every_bar_is_given_back() -> None:
    bars = torch.randn(5, 4)
    assert reconstruction_loss(bars, bars).item() == 0.0
    assert reconstruction_loss(bars + 0.5, bars).item() == pytest.approx(0.125)


def test_no_known_target_is_a_loss_of_zero() -> None:
    assert pinball_loss(torch.zeros(2, 3), torch.full((2, 1), math.nan), LEVELS).item() == 0.0
    assert class_loss(torch.zeros(2, 3), torch.tensor([-1, -1])).item() == 0.0
    assert reconstruction_loss(torch.zeros(0, 4), torch.zeros(0, 4)).item() == 0.0


def test_level_loss_falls_to_zero_as_what_happened_takes_all() -> None:
    reacted = torch.tensor([[1, 0, -1], [0, 1, 1]], dtype=torch.int8)
    sure = torch.where(reacted > 0, 30.0, -30.0)
    assert level_loss(sure, reacted).item() == pytest.approx(0.0, abs=1e-12)
    assert level_loss(torch.zeros(2, 3), reacted).item() == pytest.approx(0.25)
    assert level_loss(-sure, reacted).item() == pytest.approx(1.0)


def test_a_band_whose_outcome_is_unknown_teaches_nothing() -> None:
    logits = torch.zeros(1, 3, requires_grad=True)
    level_loss(logits, torch.tensor([[1, -1, 0]], dtype=torch.int8)).backward()  # type: ignore[no-untyped-call]  # torch
    assert logits.grad is not None
    assert (logits.grad != 0.0).tolist() == [[True, False, True]]
    assert level_loss(logits, torch.full((1, 3), -1, dtype=torch.int8)).item() == 0.0
