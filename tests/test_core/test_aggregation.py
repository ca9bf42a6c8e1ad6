import math
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agv2.core.aggregation import assign_bins, first_off_grid, gather_bars, gather_prices

UNKNOWN = math.nan
FOREVER = 2**62


def stamps(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_bins_restart_at_each_anchor_and_skip_what_is_empty() -> None:
    bins = assign_bins(stamps(0, 3, 4, 9, 10, 11, 29), 0, stamps(0, 10, 40), 4)
    assert bins.first.tolist() == [0, 2, 3, 4, 6, 7]
    assert bins.start_ns.tolist() == [0, 4, 8, 10, 26]


def test_anchors_alone_make_bins_of_uneven_length() -> None:
    bins = assign_bins(stamps(0, 22, 23, 46, 47), 0, stamps(0, 23, 48, 72), FOREVER)
    assert bins.first.tolist() == [0, 2, 5]
    assert bins.start_ns.tolist() == [0, 23]


def test_a_shift_places_a_bar_by_a_later_moment_of_its_own() -> None:
    assert assign_bins(stamps(22, 46), 23, stamps(0, 10_000), 24).start_ns.tolist() == [24, 48]
    assert assign_bins(stamps(22, 46), 0, stamps(0, 10_000), 24).start_ns.tolist() == [0, 24]


def test_no_bars_make_no_bins() -> None:
    bins = assign_bins(stamps(), 0, stamps(0, 10), 5)
    assert (bins.first.tolist(), bins.start_ns.tolist()) == ([0], [])
    assert gather_prices(bins.first, *(np.empty(0),) * 4).open.size == 0
    assert gather_bars(bins.first, *(np.empty(0),) * 6).volume.size == 0


@given(st.sets(st.integers(-200, 400), max_size=80), st.integers(1, 40), st.sets(st.integers(-199, 399), max_size=4))
def test_bins_are_those_that_counting_one_by_one_gives(opens: set[int], length: int, seams: set[int]) -> None:
    ts, anchors = stamps(*sorted(opens)), stamps(-201, *sorted(seams), 401)
    expected: dict[int, list[int]] = {}
    for row, moment in enumerate(ts.tolist()):
        low = max(each for each in anchors.tolist() if each <= moment)
        start = low + (moment - low) // length * length
        expected.setdefault(start, []).append(row)
    bins = assign_bins(ts, 0, anchors, length)
    starts_and_rows = zip(bins.start_ns.tolist(), bins.first[:-1], bins.first[1:], strict=True)
    found = {start: list(range(low, high)) for start, low, high in starts_and_rows}
    assert found == expected


def test_the_first_stamp_off_the_grid_or_out_of_order_is_named() -> None:
    anchors = stamps(0, 23, 46)
    assert first_off_grid(stamps(0, 5, 20, 23, 28), anchors, 5) == -1
    assert first_off_grid(stamps(0, 5, 25), anchors, 5) == 2
    assert first_off_grid(stamps(0, 5, 10, 15, 20, 25), anchors, 5) == 5
    assert first_off_grid(stamps(0, 5, 5), anchors, 5) == 2
    assert first_off_grid(stamps(5, 0), anchors, 5) == 1
    assert first_off_grid(stamps(0, 5, 400, 10), anchors, 5) == 2


def test_prices_of_a_bin_are_first_highest_lowest_last() -> None:
    fine = (
        np.array([1.0, 2.0, 3.0, 7.0]),
        np.array([4.0, 9.0, 5.0, 8.0]),
        np.array([0.5, 0.75, 0.25, 6.0]),
        np.array([2.0, 3.0, 1.0, 7.5]),
    )
    prices = gather_prices(stamps(0, 3, 4), *fine)
    columns = gather_bars(stamps(0, 3, 4), *fine, np.ones(4), np.ones(4))
    assert [column.tolist() for column in columns[:4]] == [column.tolist() for column in prices]
    assert [column.tolist() for column in prices] == [[1.0, 7.0], [9.0, 8.0], [0.25, 6.0], [1.0, 7.5]]


def sum_volume(first: np.ndarray, volume: np.ndarray) -> np.ndarray:
    return gather_bars(first, *(np.ones(volume.size),) * 4, volume, np.ones(volume.size)).volume


def test_volume_is_the_sum_of_what_is_known() -> None:
    volume = np.array([1.0, UNKNOWN, 2.5, UNKNOWN, UNKNOWN, 0.0])
    sums = sum_volume(stamps(0, 3, 5, 6), volume)
    assert sums[0] == 3.5
    assert np.isnan(sums[1])
    assert sums[2] == 0.0


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=60), st.data())
def test_volumes_of_eight_decimals_are_summed_exactly_in_any_grouping(units: list[int], data: st.DataObject) -> None:
    volume = np.array([unit / 1e8 for unit in units])
    whole = sum_volume(stamps(0, len(units)), volume)
    assert whole[0] == float(Fraction(sum(units), 10**8))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(units)), max_size=5)) | {len(units)})
    parts = sum_volume(stamps(0, *cuts), volume)
    assert sum_volume(stamps(0, parts.size), parts).tobytes() == whole.tobytes()
    assert sum_volume(stamps(0, len(units)), volume[::-1].copy()).tobytes() == whole.tobytes()


@given(st.lists(st.integers(0, 2**46), min_size=1, max_size=60))
def test_whole_volumes_are_summed_exactly(amounts: list[int]) -> None:
    assert sum_volume(stamps(0, len(amounts)), np.array(amounts, dtype=np.float64))[0] == sum(amounts)


def test_spread_is_the_last_that_is_known() -> None:
    spread = np.array([0.1, 0.2, UNKNOWN, UNKNOWN, UNKNOWN])
    found = gather_bars(stamps(0, 3, 5), *(np.ones(5),) * 5, spread).spread
    assert found[0] == 0.2
    assert np.isnan(found[1])
