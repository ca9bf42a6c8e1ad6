import numpy as np

from agv2.models.tail_split import pooled, rows_with_target, tail_split


def test_rows_are_places_in_the_series() -> None:
    known = np.array([True, True, False, True, True, False])
    assert rows_with_target(known, range(1, 5)).tolist() == [1, 3, 4]


def test_the_tail_is_the_last_fifth_and_purged() -> None:
    stamps, rows = np.arange(100) * 10, np.arange(100)
    (teach,), (tail,) = tail_split([stamps], [rows], purge_bars=7)
    assert tail.tolist() == list(range(80, 100))
    assert teach.tolist() == list(range(73))


def test_the_tail_begins_at_one_moment_in_all_symbols() -> None:
    early, late = np.arange(100), 90 + np.arange(100)
    teach, tail = tail_split([early, late], [np.arange(100), np.arange(100)], purge_bars=0)
    assert tail[0].size == 0
    moment = late[tail[1][0]]
    assert moment == 150
    assert late[teach[1]].max() < moment


def test_bars_are_purged_and_not_rows() -> None:
    rows = np.arange(0, 100, 10)
    (teach,), (tail,) = tail_split([np.arange(100)], [rows], purge_bars=15)
    assert (teach.max(), tail.min()) == (60, 80)


def test_no_rows_are_two_parts_without_any() -> None:
    teach, tail = tail_split([np.arange(5)], [np.empty(0, dtype=np.int64)], purge_bars=1)
    assert teach[0].size == tail[0].size == 0


def test_pooled_rows_are_thinned_evenly_and_stay_together() -> None:
    columns = [np.arange(10), 100 + np.arange(10)]
    rows = [np.arange(10), np.arange(5)]
    assert pooled(columns, rows, 15).size == 15
    assert pooled(columns, rows, 8).tolist() == [0, 2, 4, 6, 8, 100, 102, 104]
