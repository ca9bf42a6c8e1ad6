import re

import numpy as np

from agv2.backtest.report.paths import keep_extremes, line_path


def test_downsampling_keeps_the_ends_and_a_spike_one_bar_wide() -> None:
    values = np.sin(np.arange(50_000) / 900.0)
    values[31_337], values[12_345] = 9.0, -9.0
    kept = keep_extremes(values, 1500)
    assert len(kept) <= 1502
    assert {0, 12_345, 31_337, 49_999} <= set(kept.tolist())
    assert (np.diff(kept) > 0).all()


def test_a_short_line_is_kept_whole() -> None:
    assert keep_extremes(np.arange(10.0), 1500).tolist() == list(range(10))


def test_a_line_visits_its_points_in_order() -> None:
    path = line_path(np.array([0.0, 500.0, 1000.0]), np.array([10.0, 20.5, 0.0]))
    assert path == "M0 10L500 20.5L1000 0"


def test_an_area_returns_to_its_base() -> None:
    assert line_path(np.array([0.0, 1000.0]), np.array([10.0, 20.0]), close_at=40.0) == "M0 40L0 10L1000 20L1000 40Z"


def test_steps_hold_a_height_until_it_changes() -> None:
    path = line_path(np.array([0.0, 100.0, 200.0, 300.0]), np.array([5.0, 5.0, 9.0, 9.0]), steps=True)
    assert path == "M0 5H200V9H300"
    assert not re.search("L", path)


def test_nothing_draws_nothing() -> None:
    assert line_path(np.array([]), np.array([])) == ""
