from pathlib import Path

import numpy as np

from agv2.app.window_summary import summarise_windows
from agv2.core.arrays import IntArray
from agv2.data.price_action.window_columns import RowColumns, WindowBatch
from agv2.data.price_action.window_header import WindowHeader
from agv2.data.price_action.window_writer import write_windows
from agv2.data.price_action_dataset import read_windows

N = 225
ROWS = np.arange(N)
MINUTE_NS = 60_000_000_000
HEADER = WindowHeader(window=4, features=("a", "b"), timeframe="1m", stride=1, horizons=(1, 3))
ABOUT = RowColumns(
    ts_ns=ROWS * MINUTE_NS,
    symbol=np.where(ROWS < 25, "A", "B"),
    regime_label=ROWS % 4 - 1,
    sr_heatmap=np.where(ROWS[:, None] > 200, -1, (ROWS[:, None] + np.arange(16)) % 3),
    future_returns=np.where(ROWS[:, None] + [1, 3] >= N, np.nan, ROWS[:, None] / [7, 8]).astype(np.float32),
)


def written(path: Path) -> Path:
    def part(rows: IntArray) -> WindowBatch:
        return WindowBatch(np.ones((rows.size, 4, 2), dtype=np.float32), ABOUT.rows(rows))

    write_windows(path, HEADER, [part(ROWS[:100]), part(ROWS[100:])], N)
    return path


def test_a_summary_counts_every_row(tmp_path: Path) -> None:
    told: list[int] = []
    summary = summarise_windows(read_windows(written(tmp_path / "w.parquet")), told.append)
    assert summary.symbols == {"A": 25, "B": 200}
    assert (summary.first_ns, summary.last_ns) == (0, 224 * MINUTE_NS)
    assert summary.classes["regime_label"] == {k: (ROWS % 4 - 1).tolist().count(k) for k in (-1, 0, 1, 2)}
    assert summary.classes["sr_heatmap"][-1] == 24 * 16
    assert sum(summary.classes["sr_heatmap"].values()) == N * 16
    assert "pattern_label" not in summary.classes
    returns = np.asarray(ABOUT.future_returns, dtype=np.float64)
    assert [count for count, _ in summary.returns] == [N - 1, N - 3]
    np.testing.assert_allclose([spread for _, spread in summary.returns], np.nanstd(returns, axis=0))
    assert told[-1] == N
