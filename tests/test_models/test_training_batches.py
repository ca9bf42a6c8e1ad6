from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from agv2.models.training_batches import Batch, masked_spans, training_batch
from agv2.models.training_rows import TrainingSeries
from tests.test_models.markets import TINY, a_series

LEAD = TINY.window - 1


def _batches(count: int, series: Sequence[TrainingSeries], rows: Sequence[range]) -> Iterator[Batch]:
    generator = np.random.default_rng(0)
    return (training_batch(series, rows, TINY, generator) for _ in range(count))


def _lengths_of_spans(masked: "np.typing.NDArray[np.bool_]") -> list[int]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], masked, [False]]).astype(int)))
    return [int(length) for length in edges[1::2] - edges[::2]]


@pytest.mark.parametrize("seed", range(20))
def test_spans_are_whole_and_leave_a_bar_visible_on_either_side(seed: int) -> None:
    masked = masked_spans(700, 0.15, 8, np.random.default_rng(seed))
    assert set(_lengths_of_spans(masked)) == {8}
    assert not masked[0]
    assert not masked[-1]
    assert masked.mean() == pytest.approx(0.15, abs=0.01)


def test_a_ratio_of_zero_hides_nothing() -> None:
    assert not masked_spans(700, 0.0, 8, np.random.default_rng(0)).any()


def test_targets_belong_to_the_bars_above_them() -> None:
    series = a_series()
    (batch,) = _batches(1, [series], [range(LEAD, 900)])
    for chunk in range(TINY.batch_chunks):
        bars = batch.features[chunk].numpy()
        first = int(np.flatnonzero((series.features == bars[0]).all(axis=1))[0])
        np.testing.assert_array_equal(bars, series.features[first : first + len(bars)])
        rows = slice(first + LEAD, first + len(bars))
        np.testing.assert_array_equal(batch.returns[chunk].numpy(), series.future[rows].astype(np.float32))
        np.testing.assert_array_equal(batch.regime[chunk].numpy(), series.regime[rows])


def test_nothing_after_the_training_rows_is_ever_read() -> None:
    series = a_series()
    stop = 700
    beyond = replace(series, features=series.features.copy(), future=series.future.copy(), regime=series.regime.copy())
    beyond.features[stop:], beyond.future[stop:], beyond.regime[stop:] = 99.0, 99.0, 99
    for batch in _batches(100, [beyond], [range(LEAD, stop)]):
        assert batch.features.max() <= 8.0
        assert batch.returns.max() < 99.0
        assert batch.regime.max() < 99


def test_the_ends_of_the_history_are_seen_as_often_as_its_middle() -> None:
    numbered = a_series()
    numbered = replace(numbered, regime=np.arange(len(numbered)))
    seen = np.zeros(900)
    for batch in _batches(300, [numbered], [range(LEAD, 900)]):
        np.add.at(seen, batch.regime.numpy().flatten(), 1)
    assert (seen[:LEAD] == 0).all()
    assert seen[LEAD : LEAD + 20].mean() > 0.5 * seen[400:500].mean()
    assert seen[880:900].mean() > 0.5 * seen[400:500].mean()


def test_a_series_shorter_than_the_chunk_is_filled_with_rows_without_targets() -> None:
    long, short = a_series("LONG"), a_series("SHORT", seed=1)
    rows = [range(LEAD, 900), range(LEAD, LEAD + 20)]
    chunks = [(b.returns[i], b.regime[i]) for b in _batches(200, [long, short], rows) for i in range(TINY.batch_chunks)]
    filled = [(returns, regime) for returns, regime in chunks if (regime == -1).any()]
    assert filled
    for returns, regime in filled:
        assert torch.isnan(returns[20:]).all()
        assert (regime[20:] == -1).all()
        assert (regime[:20] >= 0).all()


def test_only_the_stated_share_of_chunks_is_masked() -> None:
    batches = _batches(200, [a_series()], [range(LEAD, 900)])
    hidden = torch.cat([batch.masked.any(dim=1) for batch in batches])
    assert hidden.float().mean().item() == pytest.approx(TINY.masked_chunks, abs=0.05)
