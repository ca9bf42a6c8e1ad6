import math

import numpy as np
import pytest

from agv2.core.errors import ShapeError
from agv2.models.row_losses import brier_rows, huber_rows, log_loss_rows, pinball_rows


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
    reacted = np.array([[0, 1], [1, 1]], dtype=np.int8)
    assert not brier_rows(reacted.astype(np.float64), reacted).any()
    assert not huber_rows(future, future).any()


def test_unknown_labels_have_no_loss_and_certain_mistakes_a_bounded_one() -> None:
    found = log_loss_rows(np.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [1.0, 0.0, 0.0]]), np.array([1, -1, 2]))
    assert found[0] == pytest.approx(math.log(4.0))
    assert np.isnan(found[1])
    assert found[2] == pytest.approx(-math.log(1e-6))


def test_brier_score_is_the_mean_over_the_known_bands() -> None:
    reacted = np.array([[1, 0, -1], [-1, -1, -1]], dtype=np.int8)
    found = brier_rows(np.array([[0.8, 0.4, 0.9], [0.5, 0.5, 0.5]]), reacted)
    assert found[0] == pytest.approx((0.2**2 + 0.4**2) / 2.0)
    assert np.isnan(found[1])


def test_huber_loss_is_square_up_to_one_and_straight_beyond() -> None:
    found = huber_rows(np.array([[0.5, 0.0], [3.0, -3.0]]), np.zeros((2, 2)))
    np.testing.assert_allclose(found, [0.125 / 2.0, 2.5])


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(ShapeError):
        pinball_rows(np.zeros((2, 1, 3)), np.zeros((2, 1)), np.array([0.5]))
    with pytest.raises(ShapeError):
        log_loss_rows(np.zeros((2, 3)), np.zeros(3, dtype=np.int64))
    with pytest.raises(ShapeError):
        brier_rows(np.zeros((2, 3)), np.zeros((2, 4), dtype=np.int8))
    with pytest.raises(ShapeError):
        huber_rows(np.zeros((1, 3)), np.zeros((2, 3)))
