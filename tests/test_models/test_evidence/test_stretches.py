import numpy as np

from agv2.models.evidence.stretches import mean_stretch


def test_the_mean_is_over_stretches_of_one_class() -> None:
    assert mean_stretch(np.array([0, 0, 0, 0, 1, 1, 0, 0, 0])) == 3
    assert mean_stretch(np.array([2] * 50)) == 50


def test_unknown_rows_end_no_stretch() -> None:
    assert mean_stretch(np.array([0, 0, -1, 0, -1, 1, 1, 1])) == 3
    assert mean_stretch(np.array([-1, -1])) == 1
