import numpy as np

from agv2.features.feature_rows import write_seen_rows


def test_each_bar_sees_the_row_of_its_coarse_bar_or_none_yet() -> None:
    coarse_rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    rows = np.zeros((5, 4), dtype=np.float32)
    write_seen_rows(coarse_rows, np.array([-1, 0, 0, 1, 2]), rows[:, 1:3])
    assert np.isnan(rows[0, 1:3]).all()
    assert rows[1:, 1:3].tolist() == [[0, 1], [0, 1], [2, 3], [4, 5]]
    assert (rows[:, [0, 3]] == 0).all()  # nothing beside the columns it was handed


def test_no_coarse_bars_leave_every_row_unknown() -> None:
    rows = np.zeros((2, 3), dtype=np.float32)
    write_seen_rows(np.empty((0, 3), dtype=np.float32), np.array([-1, -1]), rows)
    assert np.isnan(rows).all()
