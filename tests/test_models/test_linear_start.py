import numpy as np
import torch

from agv2.core.arrays import BoolArray
from agv2.models.heads import MultiTaskHeads
from agv2.models.linear_start import fit_linear_parts
from agv2.models.losses import pinball_loss
from agv2.models.pretraining import unconditional_targets
from tests.test_models.markets import N_FEATURES, TINY, a_series

ROWS = range(31, 3000)


def _fitted(persistence: float, read: BoolArray | None = None) -> tuple[MultiTaskHeads, float, float]:
    """Heads, and their pinball loss on later bars before and after the fit."""
    torch.manual_seed(0)
    series = a_series(n_bars=4000, persistence=persistence)
    heads = MultiTaskHeads(N_FEATURES, TINY).eval()
    heads.start_at_baseline(unconditional_targets([series], [ROWS], TINY))

    def later() -> float:
        predictions = heads(torch.randn(900, TINY.embedding_dim), torch.from_numpy(series.features[3050:3950]))
        returns = torch.from_numpy(series.future[3050:3950].astype(np.float32))
        return float(pinball_loss(predictions.quantiles.detach(), returns, torch.tensor(TINY.quantile_levels)))

    before = later()
    fit_linear_parts(heads, [series], [ROWS], TINY, np.random.default_rng(0), read)
    return heads, before, later()


def test_it_learns_what_is_linear_in_the_bar() -> None:
    _, before, after = _fitted(persistence=1.0)
    assert after < 0.98 * before


def test_it_costs_next_to_nothing_where_only_volatility_can_be_learnt() -> None:
    _, before, after = _fitted(persistence=0.0)
    assert after < 1.002 * before


def test_the_linear_parts_are_frozen_and_the_deep_parts_untouched() -> None:
    heads, _, _ = _fitted(persistence=1.0)
    for head in (heads.quantile, heads.regime):
        assert head.linear.weight.any()
        assert not any(part.requires_grad for part in head.linear.parameters())
        assert not head.deep.weight.any()
        assert head.deep.weight.requires_grad
    assert all(part.grad is None for part in heads.parameters())


def test_features_that_are_not_read_have_no_weight() -> None:
    read = np.arange(N_FEATURES) < 1
    heads, _, _ = _fitted(1.0, read)
    for head in (heads.quantile, heads.regime):
        assert ((head.linear.weight != 0.0).any(dim=0).numpy() == read).all()
