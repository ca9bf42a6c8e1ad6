import math

import numpy as np
import pytest

from agv2.core.errors import ShapeError
from agv2.models.row_losses import balanced_accuracy, log_loss_rows, pinball_rows


def test_pinball_loss_by_hand() -> None:
    quantiles = np.array([[[-1.0, 2.0]], [[0.0, 0.0]]])
    found = pinball_rows(quantiles, np.array([[1.0], [np.nan]]), np.array([0.1, 0.9]))
    assert found[0, 0] == pytest.approx((0.1 * 2.0 + 0.1 * 1.0) / 2.0)
    assert np.isnan(found[1, 0])


def test_a_perfect_prediction_loses_nothing() -> None:
    future = np.random.default_rng(0).standard_normal((5, 3))
    assert not pinball_rows(np.repeat(future[..., None], 4, axis=2), future, np.array([0.1, 0.4, 0.6, 0.9])).any()
    labels = np.array([0, 2, 1])
    assert not log_loss_rows(np.eye(3)[labels], labels).any()


def test_unknown_labels_have_no_loss_and_certain_mistakes_a_bounded_one() -> None:
    found = log_loss_rows(np.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [1.0, 0.0, 0.0]]), np.array([1, -1, 2]))
    assert found[0] == pytest.approx(math.log(4.0))
    assert np.isnan(found[1])
    assert found[2] == pytest.approx(-math.log(1e-6))


def test_balanced_accuracy_counts_classes_alike_and_ignores_unknown_labels() -> None:
    labels = np.array([0] * 90 + [1] * 9 + [-1])
    shares = np.array([0.9, 0.1, 0.0])
    constant = np.tile([0.9, 0.1, 0.0], (100, 1))
    assert balanced_accuracy(constant, labels, np.full(3, 1 / 3)) == 0.5
    leaning = np.where(labels[:, None] == 1, [0.8, 0.2, 0.0], [0.95, 0.05, 0.0])
    assert balanced_accuracy(leaning, labels, shares) == 1.0  # never above a half, and still it tells them apart
    half = leaning.copy()
    half[:45] = [0.8, 0.2, 0.0]
    assert balanced_accuracy(half, labels, shares) == pytest.approx(0.75)
    assert math.isnan(balanced_accuracy(constant, np.full(100, -1), shares))


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(ShapeError):
        pinball_rows(np.zeros((2, 1, 3)), np.zeros((2, 1)), np.array([0.5]))
    with pytest.raises(ShapeError):
        log_loss_rows(np.zeros((2, 3)), np.zeros(3, dtype=np.int64))
