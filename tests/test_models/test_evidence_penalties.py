import torch
from torch import Tensor

from agv2.models.evidence_penalties import LEAST, MOST, evidence_penalties

N_ROWS = 20_000


def _inputs(n_columns: int, seed: int) -> Tensor:
    drawn = torch.randn(N_ROWS, n_columns, generator=torch.Generator().manual_seed(seed))
    return drawn - drawn.mean(0)


def _luck(seed: int) -> Tensor:
    return torch.randn(N_ROWS, generator=torch.Generator().manual_seed(seed))


def test_penalties_are_the_variance_of_the_luck_over_that_of_the_weights() -> None:
    """One group of many weights of known spread: both variances can be read off."""
    inputs = _inputs(200, 1)
    weights = 0.05 * torch.randn(200, generator=torch.Generator().manual_seed(2))
    found = evidence_penalties(inputs, inputs @ weights + 2.0 * _luck(3), torch.zeros(200, dtype=torch.int64), 1.0)
    assert (found == found[0]).all()
    assert 0.75 < float(found[0]) * 0.05**2 / 2.0**2 < 1.25


def test_a_group_that_says_nothing_is_hardly_read_and_leaves_the_other_alone() -> None:
    inputs, groups = _inputs(20, 4), torch.tensor([0] * 10 + [1] * 10)
    target = 0.2 * inputs[:, :10].sum(-1) + _luck(5)
    both = evidence_penalties(inputs, target, groups, 1.0)
    alone = evidence_penalties(inputs[:, :10], target, groups[:10], 1.0)
    assert float(both[10]) > 100.0 * float(both[0])
    torch.testing.assert_close(both[:10], alone, rtol=0.02, atol=0.0)


def test_luck_alone_is_not_learnt_by_heart() -> None:
    """A flat penalty of 30 rows explains half a per cent of pure luck; these penalties hardly any."""
    inputs, luck = _inputs(100, 6), _luck(7)

    def explained(penalties: Tensor) -> float:
        rows = inputs.double()
        weights = torch.linalg.solve(rows.T @ rows + torch.diag(penalties.double()), rows.T @ luck.double())
        return float((rows @ weights).var() / luck.double().var())

    assert explained(torch.full((100,), 30.0)) > 0.004
    assert explained(evidence_penalties(inputs, luck, torch.arange(100) // 3, 1.0)) < 0.0015


def test_rows_that_repeat_each_other_count_as_one() -> None:
    """Every row twice, each counted half, is the same evidence."""
    inputs, groups = _inputs(12, 8), torch.arange(12) // 3
    target = 0.1 * inputs[:, 0] + _luck(9)
    once = evidence_penalties(inputs, target, groups, 1.0)
    twice = evidence_penalties(inputs.repeat(2, 1), target.repeat(2), groups, 2.0)
    torch.testing.assert_close(once, twice)


def test_penalties_stay_within_their_range_whatever_the_target() -> None:
    inputs, groups = _inputs(6, 10), torch.arange(6) // 3
    for target in (torch.zeros(N_ROWS), inputs[:, 0], _luck(11)):
        found = evidence_penalties(inputs, target, groups, 12.0)
        assert torch.isfinite(found).all()
        assert (found >= LEAST).all()
        assert (found <= MOST).all()
