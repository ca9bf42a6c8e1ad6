import numpy as np
import pytest

from agv2.core.errors import ShapeError
from agv2.features.windowing import gather_windows, sliding_windows

VALUES = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)


def test_every_window_is_the_slice_that_ends_with_its_bar() -> None:
    windows = sliding_windows(VALUES, 8)
    assert windows.shape == (13, 8, 3)
    for i, window in enumerate(windows):
        np.testing.assert_array_equal(window, VALUES[i : i + 8])


def test_windows_are_a_view_that_cannot_be_written_to() -> None:
    values = VALUES.copy()
    windows = sliding_windows(values, 8)
    assert np.shares_memory(windows, values)
    values[7, 1] = 99.0
    assert windows[0, 7, 1] == 99.0
    with pytest.raises(ValueError, match="read-only"):
        windows[0, 0, 0] = 0.0


@pytest.mark.parametrize(("n_bars", "n_windows"), [(0, 0), (7, 0), (8, 1)])
def test_too_few_bars_give_no_window(n_bars: int, n_windows: int) -> None:
    assert sliding_windows(VALUES[:n_bars], 8).shape == (n_windows, 8, 3)


def test_a_batch_holds_the_windows_named_in_their_order() -> None:
    last_rows = np.array([19, 7, 7, 12])
    batch = gather_windows(VALUES, last_rows, 8)
    np.testing.assert_array_equal(batch, np.stack([VALUES[t - 7 : t + 1] for t in last_rows]))
    assert batch.flags.c_contiguous
    assert not np.shares_memory(batch, VALUES)


@pytest.mark.parametrize("row", [6, -1, 20])
def test_a_window_that_is_not_whole_is_refused(row: int) -> None:
    with pytest.raises(ShapeError, match=f"ends with bar {row} of 20"):
        gather_windows(VALUES, np.array([10, row]), 8)


def test_a_vector_or_an_empty_window_is_refused() -> None:
    with pytest.raises(ShapeError):
        sliding_windows(VALUES[:, 0], 8)
    with pytest.raises(ShapeError):
        sliding_windows(VALUES, 0)
