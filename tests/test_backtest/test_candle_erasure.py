import numpy as np
import pytest

from agv2.backtest.candle_erasure import candle_stretches, erase_candles, standing_still
from agv2.core.arrays import Float32Array, FloatArray
from agv2.core.bars import Bars
from agv2.data.synthetic import synthetic_bars


@pytest.fixture(scope="module")
def bars() -> Bars:
    return synthetic_bars("trend", 40, 7)


def test_price_stands_still_and_what_follows_stays_as_it_was(bars: Bars) -> None:
    still = standing_still(bars, 30, 33)
    for name in ("open", "high", "low", "close"):
        before, after = getattr(bars, name), getattr(still, name)
        assert (after[33:] == before[33:]).all()
        assert (after[30:33] == bars.close[32]).all()
        np.testing.assert_allclose(after[:30] / before[:30], bars.close[32] / bars.close[29])
    assert still.close[29] == pytest.approx(still.close[30])
    np.testing.assert_allclose(np.diff(np.log(still.close[:30])), np.diff(np.log(bars.close[:30])), atol=1e-12)


def test_stretches_cover_the_window_once_finest_where_it_is_newest() -> None:
    found = candle_stretches(512)
    covered = [back for near, far in found for back in range(near, far + 1)]
    assert covered == list(range(1, 513))
    assert found[0] == (1, 1)
    assert found[24] == (25, 28)
    assert len(found) < 60
    assert candle_stretches(32)[-1][1] == 32


def test_a_decision_by_the_last_three_returns_comes_from_the_last_three_candles(bars: Bars) -> None:
    def window_of(some: Bars) -> Float32Array:
        return np.log(some.close[-8:])[:, np.newaxis].astype(np.float32)

    def odds(windows: Float32Array, states: Float32Array) -> FloatArray:
        found: FloatArray = 100.0 * (windows[:, -1, 0] - windows[:, -4, 0]).astype(np.float64)
        return found

    falls = erase_candles(
        odds, bars, np.zeros(1, dtype=np.float32), window_of, [(1, 1), (2, 2), (3, 3), (4, 4), (5, 9)]
    )
    returns = 100.0 * np.diff(np.log(bars.close))[-3:][::-1]
    np.testing.assert_allclose(falls[:3], returns, atol=2e-3)
    np.testing.assert_allclose(falls[3:], 0.0, atol=2e-3)
