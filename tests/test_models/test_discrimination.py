import math

import numpy as np
import pytest

from agv2.core.errors import ShapeError
from agv2.models.discrimination import balanced_accuracy, within_band_auc


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


def test_a_class_that_training_never_saw_is_not_named_for_a_trace_of_probability() -> None:
    labels = np.array([0, 0, 1, 1])
    probs = np.array([[0.7, 0.299, 0.001]] * 2 + [[0.3, 0.699, 0.001]] * 2)
    assert balanced_accuracy(probs, labels, np.array([0.5, 0.5, 0.0])) == 1.0


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    probs = np.array([[0.9], [0.4], [0.4], [0.1], [0.99]])
    reacted = np.array([[1], [1], [0], [0], [-1]], dtype=np.int8)
    # Of four pairs three are in order and one is a tie; the unknown row takes no part.
    assert within_band_auc(probs, reacted) == pytest.approx(3.5 / 4.0)


def test_auc_gives_no_credit_for_knowing_which_band_price_turns_at_more_often() -> None:
    rng = np.random.default_rng(0)
    shares = np.array([0.9, 0.5, 0.1])
    reacted = (rng.random((2000, 3)) < shares).astype(np.int8)
    assert within_band_auc(np.tile(shares, (2000, 1)), reacted) == 0.5


def test_auc_is_over_bands_with_both_outcomes_and_undefined_without_any() -> None:
    probs = np.array([[0.9, 0.2], [0.1, 0.8]])
    assert within_band_auc(probs, np.array([[1, 1], [0, 1]], dtype=np.int8)) == 1.0
    assert math.isnan(within_band_auc(probs, np.ones((2, 2), dtype=np.int8)))
    with pytest.raises(ShapeError):
        within_band_auc(probs, np.ones((2, 3), dtype=np.int8))
