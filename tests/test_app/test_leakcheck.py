"""Nothing that a run computes sees the future; what does is stopped."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agv2.app import leakcheck_stages, market_preparation
from agv2.app.fold_training import FoldEncoder, fit_encoder, training_data
from agv2.app.leakcheck import bars_needed, leakcheck, require_no_leak
from agv2.app.leakcheck_stages import fold_stages, short_window
from agv2.app.market_preparation import PreparedMarket
from agv2.app.run_plan import RunRequest, make_plan
from agv2.app.settings import Settings, load_settings
from agv2.backtest.leakcheck import check_leaks
from agv2.backtest.leakcheck_perturbations import Perturbation
from agv2.backtest.walk_forward import Fold
from agv2.core.bars import Bars
from agv2.core.errors import DataError, LeakError
from agv2.core.timeframes import SessionCalendar, Timeframe, context_timeframes
from agv2.data.bars_file import write_bars
from agv2.features import feature_inputs
from agv2.features.coarse_bars import CoarseBars, coarse_bars
from agv2.features.pipeline import FeatureMatrix, compute_features
from agv2.models.backbones.transformer import BandedAttention
from agv2.models.normalizer import Normalizer
from agv2.models.training_rows import TrainingSeries
from agv2.utils.config import parse_override
from tests.markets import UTC_DAYS, gappy_bars

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))]


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
        "normaliser", "training windows", "embedding", "observation", "decision", "account", "payoff", "rows",
    ]  # fmt: skip
    assert all(stage.comparisons > 0 for stage in report.stages)


@pytest.mark.parametrize("backbone", ["transformer", "lstm"])
def test_no_backbone_leaks(backbone: str) -> None:
    settings = load_settings(None, [parse_override(f"encoder.backbone={backbone}")])
    report = leakcheck(gappy_bars(2_000, "5m"), settings, seed=7, quick=True)
    assert report.leaks == ()
    assert all(stage.comparisons > 0 for stage in report.stages)


def test_attention_to_later_bars_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_mask(attention: BandedAttention, blocks: Any) -> torch.Tensor:
        return torch.zeros(1, 1, blocks.queries.shape[2], blocks.keys.shape[2])

    monkeypatch.setattr(BandedAttention, "_penalties", no_mask)
    settings = load_settings(None, [parse_override("encoder.backbone=transformer")])
    report = leakcheck(gappy_bars(2_000, "5m"), settings, seed=7, quick=True)
    assert "embedding" in {stage.name for stage in report.stages if stage.leaks}


def test_nothing_leaks_across_a_change_of_summer_time(settings: Settings) -> None:
    """Bars whose end, where the future is changed, holds both American and European changes of clocks."""
    bars = gappy_bars(2_000, "1h")
    to_march = int(np.datetime64("2021-04-04", "ns").astype(np.int64) - bars.ts_ns[-1])
    week = 7 * 86_400_000_000_000
    moved = Bars(
        bars.symbol, bars.timeframe, bars.ts_ns + to_march // week * week,
        bars.open, bars.high, bars.low, bars.close, bars.volume, bars.spread,
    )  # fmt: skip
    require_no_leak(moved, settings, 7)


@pytest.mark.slow
def test_nothing_shipped_leaks_in_the_full_check(settings: Settings) -> None:
    report = leakcheck(gappy_bars(3_500, "1h"), settings, seed=7)
    assert report.leaks == ()
    seen = {stage.name: stage.comparisons // stage.columns for stage in report.stages}
    assert seen["fitted encoder"] == seen["cross-fitted predictions"] == 5


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("context", [0, 1])
def test_a_coarse_bar_shown_one_bar_early_is_always_seen(
    context: int, seed: int, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_bar_early(bars: Bars, timeframe: Timeframe, calendar: SessionCalendar) -> CoarseBars:
        view = coarse_bars(bars, timeframe, calendar)
        if timeframe != context_timeframes(bars.timeframe)[context]:
            return view
        return view._replace(last_closed=np.append(view.last_closed[1:], view.last_closed[-1]))

    monkeypatch.setattr(feature_inputs, "coarse_bars", one_bar_early)
    bars = gappy_bars(2_003 + seed, "1h")
    report = leakcheck(bars, settings, seed, quick=True)
    coarse = context_timeframes(bars.timeframe)[context].name
    assert any(column.endswith(f"@{coarse}") for column in report.stages[0].leaking_columns)


def _leaky_features(bars: Bars, calendar: SessionCalendar) -> FeatureMatrix:
    """The shipped features, the second from one bar later."""
    matrix = compute_features(bars, calendar)
    values = matrix.values.copy()
    values[:-1, 1] = matrix.values[1:, 1]
    return FeatureMatrix(matrix.columns, values, matrix.sigma)


def _scaled_by_all_rows(
    markets: Sequence[PreparedMarket], folds: Sequence[Fold], settings: Settings
) -> tuple[Normalizer, list[TrainingSeries]]:
    """A fold's training data, its normaliser fitted on the rows after the fold as well."""
    _, (series,) = training_data(markets, folds, settings)
    values, stop = markets[0].features.values, folds[0].train_hi
    normalizer = Normalizer.fit(values)
    return normalizer, [replace(series, features=normalizer.transform(values[stop - len(series) : stop]))]


def _prepared_by_all_bars(bars: Bars, settings: Settings) -> PreparedMarket:
    """A market whose costs were measured over all its bars."""
    market = market_preparation.market_of(bars, settings)
    cost = float(np.std(np.diff(np.log(bars.close)))) / 20.0
    return replace(market, costs=market.costs._replace(commission_frac=cost))


@pytest.mark.parametrize(
    ("module", "name", "stand_in", "stages"),
    [
        (
            market_preparation, "compute_features", _leaky_features,
            {"features", "normaliser", "embedding", "observation", "decision", "account"},
        ),
        (leakcheck_stages, "training_data", _scaled_by_all_rows, {"normaliser", "training windows", "account"}),
        (leakcheck_stages, "market_of", _prepared_by_all_bars, {"account"}),
    ],
)  # fmt: skip
def test_a_leak_early_on_the_path_is_seen_in_what_follows(
    module: Any,
    name: str,
    stand_in: Callable[..., Any],
    stages: set[str],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, name, stand_in)
    report = leakcheck(gappy_bars(2_000, "5m"), settings, seed=7, quick=True)
    assert stages <= {stage.name for stage in report.stages if stage.leaks}


def _fitted_with_a_glance_ahead(
    markets: Any, folds: Any, settings: Any, steps: int, seed: int, report: Any, **rest: Any
) -> Any:
    """Training that chooses its seed by the last bar of the file, which is none of its training bars."""
    seed += int(markets[0].bars.close[-1] * 1e6) % 1_000
    return fit_encoder(markets, folds, settings, steps, seed, report, **rest)


@pytest.mark.parametrize("fit", [fit_encoder, _fitted_with_a_glance_ahead])
@pytest.mark.parametrize("name", ["fitted encoder", "cross-fitted predictions"])
def test_training_itself_is_compared_bit_for_bit(
    name: str, fit: Callable[..., FoldEncoder], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leakcheck_stages, "fit_encoder", fit)
    bars, settings = gappy_bars(2_900, "5m"), replace(settings, encoder=short_window(settings.encoder))
    (stage,) = (stage for stage in fold_stages(bars, settings, 7, fit=True) if stage.name == name)
    report = check_leaks(bars, [stage], 1, 0, [Perturbation.NOISE])
    assert report.columns > 40
    assert bool(report.leaks) == (fit is not fit_encoder)


def test_the_account_that_is_compared_trades_whatever_the_seed(settings: Settings) -> None:
    """A flat account would be the same with any leak."""
    bars, settings = gappy_bars(2_000, "5m"), replace(settings, encoder=short_window(settings.encoder))
    for seed in range(4):
        (stage,) = (each for each in fold_stages(bars, settings, seed, fit=False) if each.name == "account")
        columns = stage.compute(bars)
        units = columns.values[stage.fitted_bars :, columns.names.index("units")]
        assert {-1.0, 0.0, 1.0} == set(np.sign(units))


def test_a_leak_stops_whoever_asks(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_preparation, "compute_features", _leaky_features)
    sentence = r"^TEST: something sees the future: features, column log_return_3: .* more columns"
    with pytest.raises(LeakError, match=sentence):
        require_no_leak(gappy_bars(2_000, "5m"), settings, 7)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_test_row_in_the_normaliser_is_always_seen(
    seed: int, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_row_more(
        markets: Sequence[PreparedMarket], folds: Sequence[Fold], settings: Settings
    ) -> tuple[Normalizer, list[TrainingSeries]]:
        _, series = training_data(markets, folds, settings)
        (fold,) = folds
        return Normalizer.fit(markets[0].features.values[fold.train_lo : fold.test_lo + 1]), series

    monkeypatch.setattr(leakcheck_stages, "training_data", one_row_more)
    report = leakcheck(gappy_bars(2_000 + seed, "5m"), settings, seed, quick=True)
    assert "normaliser" in {stage.name for stage in report.stages if stage.leaks}


def test_what_a_run_uses_is_what_is_checked(settings: Settings) -> None:
    bars = gappy_bars(2_400, "1h")
    features = compute_features(bars, UTC_DAYS)
    friday = (bars.ts_ns // 86_400_000_000_000 + 3) % 7 == 4
    values = features.values.copy()
    values[:-1, 0] = np.where(friday[:-1], features.values[1:, 0], features.values[:-1, 0])
    with pytest.raises(LeakError, match=r"^TEST: something sees the future: rows, column log_return_1: "):
        require_no_leak(bars, settings, 7, replace(features, values=values))
    assert "rows" in require_no_leak(bars, settings, 7, features).stages


def test_what_has_passed_says_what_was_checked(settings: Settings) -> None:
    passed = require_no_leak(gappy_bars(2_000, "5m"), settings, 3)
    assert (passed.symbol, passed.seed, passed.notes) == ("TEST", 3, ())
    assert {"features", "training windows", "payoff"} <= set(passed.stages)
    assert passed.comparisons > passed.columns > 500


def test_the_same_seed_gives_the_same_report(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_preparation, "compute_features", _leaky_features)
    bars = gappy_bars(2_000, "5m")
    assert repr(leakcheck(bars, settings, 7, quick=True)) == repr(leakcheck(bars, settings, 7, quick=True))


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        (
            "encoder.window=2",
            "encoder.mask_span=1",
            "encoder.horizons=[1]",
            "encoder.validation_fraction=0.01",
            "backtest.first_train_frac=0.9",
        ),
        ("encoder.window=4", "encoder.mask_span=1", "encoder.horizons=[1,100]"),
    ],
)
def test_the_fewest_bars_that_a_run_accepts_are_enough(
    overrides: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGV2_SMOKE", "1")
    settings = load_settings(None, [parse_override(each) for each in overrides])
    quick = replace(settings, encoder=short_window(settings.encoder))
    n_bars = bars_needed(Timeframe.parse("5m"), quick)
    path = tmp_path / "TEST_5m.parquet"
    write_bars(gappy_bars(n_bars - 1, "5m"), path)
    request = RunRequest(
        bars=(path,), out=tmp_path / "out", overrides=tuple(parse_override(each) for each in overrides)
    )
    with pytest.raises(DataError, match="too few for 1 walk-forward fold"):
        make_plan(request)
    report = leakcheck(gappy_bars(n_bars, "5m"), settings, 7, quick=True)
    assert report.leaks == ()
    assert report.notes == ()


def test_bars_too_few_for_the_window_are_checked_with_a_shorter_one(settings: Settings) -> None:
    bars = gappy_bars(1_730, "5m")
    few = replace(settings, encoder=short_window(settings.encoder).model_copy(update={"window": 66}))
    assert bars_needed(bars.timeframe, few) <= len(bars) < bars_needed(bars.timeframe, settings)
    report = leakcheck(bars, settings, 7)
    assert report.leaks == ()
    needed = bars_needed(bars.timeframe, settings)
    assert report.notes == (
        f"1,730 bars of 5m are too few for the encoder's window of 512, which needs {needed:,}: checked with a window "
        "of 66",
    )


def test_bars_too_few_for_a_decision_are_checked_as_far_as_features_have_values(settings: Settings) -> None:
    report = leakcheck(gappy_bars(400, "1d"), settings, 7)
    assert report.leaks == ()
    assert [stage.name for stage in report.stages] == ["features", "coarse bars 4d", "coarse bars 24d"]
    assert 5 < report.stages[0].columns < 50
    assert "400 bars of 1d are too few for a decision, which needs " in report.notes[0]


def test_a_leak_in_few_bars_is_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def leaky(bars: Bars, calendar: SessionCalendar) -> FeatureMatrix:
        matrix = compute_features(bars, calendar)
        values = matrix.values.copy()
        at = matrix.names.index("upper_wick")
        values[:-1, at] = matrix.values[1:, at]
        return FeatureMatrix(matrix.columns, values, matrix.sigma)

    monkeypatch.setattr(market_preparation, "compute_features", leaky)
    report = leakcheck(gappy_bars(400, "1d"), settings, 7)
    assert report.stages[0].leaking_columns == ("upper_wick",)


def test_two_bars_are_too_few(settings: Settings) -> None:
    with pytest.raises(DataError, match="too few"):
        leakcheck(gappy_bars(400, "1h").slice(0, 2), settings, 7)


def test_settings_of_a_run_are_used(settings: Settings) -> None:
    with_short_window = load_settings(None, [parse_override("encoder.window=34")])
    timeframe = Timeframe.parse("5m")
    more = bars_needed(timeframe, settings) - bars_needed(timeframe, with_short_window)
    assert more == 512 - 34
