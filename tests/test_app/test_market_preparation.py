"""Files of bars that are refused because a run on them would be wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agv2.app.market_preparation import as_known_after, market_of, prepare_markets
from agv2.app.settings import Settings, load_settings, require_known_symbols
from agv2.core.bars import Bars
from agv2.core.errors import ConfigError, DataError
from agv2.data.bars_file import write_bars
from agv2.utils.config import parse_override
from tests.markets import gappy_bars


def settings_with(*overrides: str) -> Settings:
    return load_settings(None, [parse_override(text) for text in overrides])


def written(bars: Bars, folder: Path, symbol: str) -> Path:
    path = folder / f"{symbol}_1h.parquet"
    write_bars(bars, path)
    return path


def test_a_spread_in_points_is_refused_and_the_remedy_works(tmp_path: Path) -> None:
    bars = gappy_bars(2_000)
    path = written(replace(bars, spread=0.02 * bars.close), tmp_path, "XAUUSD")
    with pytest.raises(DataError, match=r"XAUUSD_1h\.parquet: the median spread is 2\.00% of the price.*price units"):
        prepare_markets([path], [], settings_with())
    (market,) = prepare_markets([path], [], settings_with("costs.XAUUSD.spread_source=constant"))
    assert len(market.bars) == len(bars)


def test_money_of_two_currencies_is_not_added(tmp_path: Path) -> None:
    paths = [written(gappy_bars(2_000), tmp_path, symbol) for symbol in ("XAUUSD", "GER40")]
    with pytest.raises(DataError, match=r"USD.*EUR"):
        prepare_markets(paths, [], settings_with())


def test_bars_a_year_are_counted_from_known_bars_alone(tmp_path: Path) -> None:
    bars = gappy_bars(2_000)
    half = np.arange(len(bars)) % 2 == 0  # every other bar missing after the first 1,000
    kept = np.flatnonzero(half | (np.arange(len(bars)) < 1_000))
    names = ("open", "high", "low", "close", "volume", "spread")
    thinned = replace(bars, ts_ns=bars.ts_ns[kept], **{name: getattr(bars, name)[kept] for name in names})
    settings = settings_with()
    (whole,) = prepare_markets([written(bars, tmp_path, "A")], [], settings)
    (thin,) = prepare_markets([written(thinned, tmp_path, "B")], [], settings)
    known = [as_known_after(market, settings, 1_000) for market in (whole, thin)]
    assert known[0].params == known[1].params
    assert known[0].bars_per_year == known[1].bars_per_year


def test_a_setting_for_a_symbol_of_no_run_is_refused_with_the_nearest() -> None:
    wrong = [parse_override("costs.XAUSUD.half_spread_frac=0.2")]
    with pytest.raises(ConfigError, match=r"no symbol of this run is XAUSUD; did you mean XAUUSD\?"):
        require_known_symbols(wrong, ["XAUUSD"])
    require_known_symbols([parse_override("costs.MINE.half_spread_frac=0.2")], ["MINE"])
    require_known_symbols([parse_override("markets.default.leverage=5"), parse_override("risk.profile=default")], [])


def test_a_single_impossible_spread_is_unknown_and_said_so(tmp_path: Path) -> None:
    bars = gappy_bars(2_000)
    spread = np.full(len(bars), 0.0001) * bars.close
    spread[::50] = 2.5 * bars.close[::50]
    (market,) = prepare_markets([written(replace(bars, spread=spread), tmp_path, "XAUUSD")], [], settings_with())
    assert np.isnan(market.bars.spread[::50]).all()
    assert any("40 spreads of more than 5% of the price" in note for note in market.notes)


def test_the_order_of_the_files_means_nothing(tmp_path: Path) -> None:
    paths = [written(gappy_bars(2_000), tmp_path, symbol) for symbol in ("XAUUSD", "XAGUSD")]
    for order in (paths, paths[::-1]):
        assert [market.bars.symbol for market in prepare_markets(order, [], settings_with())] == ["XAGUSD", "XAUUSD"]


def test_an_hourly_spread_reaches_the_bars_that_are_traded(tmp_path: Path) -> None:
    path = written(gappy_bars(2_000), tmp_path, "XAUUSD")
    (usual,) = prepare_markets([path], [], settings_with("costs.XAUUSD.hourly_spread=null"))
    settings = settings_with("costs.XAUUSD.spread_source=hourly")
    (market,) = prepare_markets([path], [], settings)
    assert set(usual.records["spread_scale"]) == {1.0}
    profile = np.asarray(settings.costs.entry("XAUUSD")[0].hourly_spread)
    expected = profile[market.instrument.calendar.local_hours(market.bars.ts_ns)]
    assert len(set(expected)) > 2
    np.testing.assert_array_equal(market.records["spread_scale"], expected)
    np.testing.assert_array_equal(as_known_after(market, settings, 1_000).records["spread_scale"], expected)


def test_a_participation_cap_is_refused_where_volume_is_not_in_base_units(tmp_path: Path) -> None:
    path = written(gappy_bars(2_000), tmp_path, "XAUUSD")
    capped = ("costs.XAUUSD.participation_cap=0.1",)
    with pytest.raises(
        ConfigError, match=r"XAUUSD: .*markets\.XAUUSD\.volume_in_base_units=true .*participation_cap=0"
    ):
        prepare_markets([path], [], settings_with(*capped))
    (market,) = prepare_markets([path], [], settings_with(*capped, "markets.XAUUSD.volume_in_base_units=true"))
    assert market.costs.participation_cap == 0.1
    with pytest.raises(ConfigError, match="participation_cap"):
        prepare_markets([path], [], settings_with("costs.default.participation_cap=0.1"))


def test_true_is_no_number_of_folds() -> None:
    with pytest.raises(ConfigError, match="folds must not be true"):
        settings_with("backtest.profiles.smoke.folds=true")


def test_the_tape_holds_the_levels_that_features_draw_and_none_else() -> None:
    market = market_of(gappy_bars(2_000), settings_with())
    levels, tape = market.features.levels, market.tape(1_500, np.empty((1_500, 0), dtype=np.float32))
    drawn = levels.below_strength > 0.0
    known = np.isfinite(levels.below)
    assert drawn[:1_500].any()
    assert (known & ~drawn)[:1_500].any(), "both kinds of bar are tried"
    assert np.array_equal(tape.levels["below"], np.where(drawn, levels.below, np.nan)[:1_500], equal_nan=True)
    above = np.where(levels.above_strength > 0.0, levels.above, np.nan)[:1_500]
    assert np.array_equal(tape.levels["above"], above, equal_nan=True)
