import pytest

from agv2.features import row_blocks as module
from agv2.features.pipeline import compute_features
from agv2.features.row_blocks import row_blocks
from tests.markets import UTC_DAYS, gappy_bars


@pytest.mark.parametrize("n_bars", [0, 1, 11_999, 12_000, 12_001, 30_000])
def test_every_row_is_in_one_block_with_the_bars_before_it(n_bars: int) -> None:
    blocks = list(row_blocks(n_bars, 257))
    assert [row for block in blocks for row in range(block.start, block.stop)] == list(range(n_bars))
    assert all(block.first == max(block.start - 256, 0) for block in blocks)


@pytest.mark.parametrize("n_rows", [1, 100, 1_111])
def test_where_blocks_are_cut_moves_no_bit_of_the_features(n_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    bars = gappy_bars(1_700 if n_rows == 1 else 3_000, "15m")
    whole = compute_features(bars, UTC_DAYS)
    monkeypatch.setattr(module, "_ROWS", n_rows)
    cut = compute_features(bars, UTC_DAYS)
    assert cut.values.tobytes() == whole.values.tobytes()
    assert cut.sigma.tobytes() == whole.sigma.tobytes()
