"""Nothing that a run computes sees the future; what does is stopped."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agv2.app import leakcheck as module
from agv2.app.leakcheck import bars_needed, leakcheck, require_no_leak
from agv2.app.settings import Settings, load_settings
from agv2.core.bars import Bars
from agv2.core.errors import DataError, LeakError
from agv2.core.timeframes import SessionCalendar
from agv2.features.pipeline import FeatureMatrix, compute_features
from agv2.models.normalizer import Normalizer
from agv2.utils.config import parse_override
from tests.markets import gappy_bars


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(None, [])


@pytest.mark.parametrize("timeframe", ["1m", "5m", "1h"])
def test_nothing_shipped_leaks(timeframe: str, settings: Settings) -> None:
    report = leakcheck(gappy_bars(2_000, timeframe), settings, seed=7, quick=True)
    assert report.leaks == ()
    assert report.notes == ()
    stages = [stage.name for stage in report.stages]
    assert stages[:2] == ["features", "sigma"]
    assert stages[4:] == [
        "normaliser", "training windows", "embedding", "observation", "decision", "account", "payoff",
    ]  # fmt: skip
    assert all(stage.comparisons > 0 for stage in report.stages)


def test_nothing_leaks_across_a_change_of_summer_time(settings: Settings) -> None:
    """Bars whose end, where the future is changed, holds both American and European changes of clocks."""
    bars = gappy_bars(2_000, "1h")
    to_march = int(np.datetime64("2021-04-04", "ns").astype(np.int64) - bars.ts_ns[-1])
    week = 7 * 86_400_000_000_000
    moved = Bars(
        bars.symbol, bars.timeframe, bars.ts_ns + to_march // week * week,
        bars.open, bars.high, bars.low, bars.close, bars.volume, bars.spread,
    )  # fmt: skip
    require_no_leak(moved, settings)


@pytest.mark.slow
def test_nothing_shipped_leaks_in_the_full_check(settings: Settings) -> None:
    assert leakcheck(gappy_bars(3_500, "1h"), settings, seed=7).leaks == ()


def _leaky_features(bars: Bars, calendar: SessionCalendar) -> FeatureMatrix:
    """The shipped features, the second from one bar later."""
    matrix = compute_features(bars, calendar)
    values = matrix.values.copy()
    values[:-1, 1] = matrix.values[1:, 1]
    return FeatureMatrix(matrix.columns, values, matrix.sigma)


class _FittedOnAll(Normalizer):
    """Fits on the rows it is given and on all that lie behind them in memory."""

    @classmethod
    def fit(cls, values: Any, clip: float = 8.0) -> Normalizer:
        return Normalizer.fit(values if values.base is None else values.base, clip)


@pytest.mark.parametrize(
    ("name", "stand_in", "stages"),
    [
        ("compute_features", _leaky_features, {"features", "embedding", "observation", "decision", "account"}),
        ("Normalizer", _FittedOnAll, {"normaliser", "training windows", "account"}),
    ],
)
def test_a_leak_early_on_the_path_is_seen_in_what_follows(
    name: str, stand_in: Callable[..., Any], stages: set[str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, stand_in)
    report = leakcheck(gappy_bars(2_000, "5m"), settings, seed=7, quick=True)
    assert stages <= {stage.name for stage in report.stages if stage.leaks}


def test_a_leak_stops_whoever_asks(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "compute_features", _leaky_features)
    with pytest.raises(LeakError, match=r"^something sees the future: features, column log_return_3: .* more columns"):
        require_no_leak(gappy_bars(2_000, "5m"), settings)


def test_the_same_seed_gives_the_same_report(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "compute_features", _leaky_features)
    bars = gappy_bars(2_000, "5m")
    assert repr(leakcheck(bars, settings, 7, quick=True)) == repr(leakcheck(bars, settings, 7, quick=True))


def test_too_few_bars_are_one_clear_line(settings: Settings) -> None:
    bars = gappy_bars(900, "5m")
    quick = bars_needed(bars.timeframe, settings, quick=True)
    needed = bars_needed(bars.timeframe, settings)
    with pytest.raises(DataError, match=f"^TEST: 900 bars of 5m are too few .* needs {quick:,}$"):
        leakcheck(bars, settings, 7, quick=True)
    with pytest.raises(DataError, match=f"needs {needed:,}, --quick {quick:,}$"):
        leakcheck(bars, settings, 7)
    enough = gappy_bars(quick, "5m")
    assert leakcheck(enough, settings, 7, quick=True).leaks == ()


def test_settings_of_a_run_are_used(settings: Settings) -> None:
    with_short_window = load_settings(None, [parse_override("encoder.window=34")])
    bars = gappy_bars(1_000, "5m")
    assert bars_needed(bars.timeframe, settings) - bars_needed(bars.timeframe, with_short_window) == 512 - 34
