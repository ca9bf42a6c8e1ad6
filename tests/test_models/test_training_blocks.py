"""Which bars an encoder may be fitted on that is to predict a block."""

import itertools

import numpy as np
import pytest

from agv2.core.arrays import IntArray
from agv2.models.training_blocks import bars_outside, training_blocks

REACH = 5


def every(step: int, n_bars: int, start: int = 0) -> IntArray:
    return start + step * np.arange(n_bars, dtype=np.int64)


@pytest.mark.parametrize("n_blocks", [1, 2, 3, 5])
def test_every_bar_is_in_exactly_one_block(n_blocks: int) -> None:
    stamps = [every(10, 101), every(35, 29, start=3)]
    blocks = training_blocks(stamps, n_blocks, REACH)
    assert len(blocks) == n_blocks
    for one in stamps:
        held = [(block.first_ns <= one) & (one < block.stop_ns) for block in blocks]
        np.testing.assert_array_equal(np.sum(held, axis=0), 1)
    sizes = [sum(int(((block.first_ns <= one) & (one < block.stop_ns)).sum()) for one in stamps) for block in blocks]
    assert max(sizes) - min(sizes) <= 2
    assert all(one.stop_ns == later.first_ns for one, later in itertools.pairwise(blocks))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_no_bar_that_a_target_of_the_block_reads_is_left(number: int) -> None:
    ts_ns = every(10, 90)
    block = training_blocks([ts_ns], 3, REACH)[number]
    left = [bar for part in bars_outside(block, ts_ns, range(90)) for bar in part]
    inside = range(30 * number, 30 * number + 30)
    read = {bar + ahead for bar in inside for ahead in range(REACH + 1)}
    assert left == [bar for bar in range(90) if bar not in read]


def test_all_symbols_resume_when_the_last_one_may() -> None:
    """A market that is open once a week reads five weeks ahead."""
    daily, weekly = every(1, 210), every(7, 30)
    block = training_blocks([daily, weekly], 2, REACH)[0]
    assert block.stop_ns == 105
    assert block.resume_ns == 105 + 7 * REACH
    (part,) = bars_outside(block, daily, range(210))
    assert daily[part.start] == block.resume_ns


def test_bars_outside_training_stay_outside() -> None:
    ts_ns = every(10, 90)
    block = training_blocks([ts_ns[20:80]], 2, REACH)[1]
    assert bars_outside(block, ts_ns, range(12, 80)) == (range(12, 50),)


def test_a_block_that_is_everything_leaves_nothing() -> None:
    ts_ns = every(10, 90)
    (block,) = training_blocks([ts_ns], 1, REACH)
    assert bars_outside(block, ts_ns, range(90)) == ()
