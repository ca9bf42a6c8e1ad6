import numpy as np
import torch

from agv2.models.bar_basis import BarBasis

BARS = torch.tensor([[0.5, -3.0, 2.0], [-1.5, 0.25, 4.0]])


def test_each_feature_stands_there_as_it_is_by_its_size_and_by_what_exceeds_one() -> None:
    found = BarBasis(3)(BARS).reshape(2, 3, 4)
    expected = [
        [[0.5, -3.0, 2.0], [0.5, 3.0, 2.0], [0.0, -2.0, 1.0]],
        [[-1.5, 0.25, 4.0], [1.5, 0.25, 4.0], [-0.5, 0.0, 3.0]],
    ]
    assert torch.equal(found[:, :, :3], torch.tensor(expected))


def test_the_nearer_level_is_scaled_by_the_bars_it_is_told() -> None:
    basis = BarBasis(3)
    touching = torch.tensor([[9.0, 1.0, 5.0], [9.0, 7.0, 3.0], [9.0, 5.0, 5.0]])
    basis.read_nearest((1, 2), touching)
    near = basis(touching)[:, 3]
    assert torch.allclose(near.mean(), torch.tensor(0.0), atol=1e-6)
    assert torch.allclose(near.std(correction=0), torch.tensor(1.0))
    assert near.argsort().tolist() == [0, 1, 2]


def test_without_a_bar_or_movement_the_nearer_level_stays_finite() -> None:
    for bars in (torch.empty(0, 3), torch.ones(5, 3)):
        basis = BarBasis(3)
        basis.read_nearest((0, 2), bars)
        assert torch.isfinite(basis(BARS)).all()


def test_columns_are_those_of_the_features_read() -> None:
    basis = BarBasis(3)
    read = np.array([True, False, True])
    moved = torch.stack([BARS[0] + step * torch.eye(3)[which] for which in (0, 2) for step in (-9.0, 9.0)])
    changes = (basis(moved) != basis(BARS[0])).any(dim=0)
    changes[basis.columns(~read & read, nearest=True)] = False
    assert set(changes.nonzero().squeeze(-1).tolist()) == set(basis.columns(read, nearest=False).tolist())
    assert len(basis.columns(read, nearest=True)) == 9
