"""The leak check finds what leaks, names it, and leaves alone what does not."""

import numpy as np
import pytest

from agv2.backtest.leakcheck import Columns, Stage, check_leaks
from agv2.backtest.leakcheck_perturbations import Perturbation
from agv2.backtest.leakcheck_stages import feature_stages, remembered
from agv2.core.bars import Bars
from agv2.core.errors import DataError, ShapeError
from agv2.features.pipeline import FeatureMatrix, compute_features
from tests.leaky_variants import LEAKY, ONLY_ONE_FINDS, leaky, one_bar_reads
from tests.markets import UTC_DAYS, gappy_bars

SHORT = gappy_bars(600, "5m")


def features_of(bars: Bars) -> FeatureMatrix:
    return compute_features(bars, UTC_DAYS)


@pytest.fixture(scope="module")
def long() -> Bars:
    """Bars enough for every feature, and some to change."""
    return gappy_bars(2_200, "5m")


@pytest.mark.parametrize("name", LEAKY)
def test_each_leaky_variant_is_found_and_named(name: str, long: Bars) -> None:
    stage, column = LEAKY[name]
    report = check_leaks(long, [stage], n_cuts=6, seed=0)
    assert column in report.stages[0].leaking_columns
    leak = next(each for each in report.leaks if each.column == column)
    assert leak.stage == name
    assert leak.row <= leak.place + stage.early_bars
    assert leak.ts_ns == long.ts_ns[leak.row]
    assert leak.before != leak.after


def test_none_of_the_shipped_columns_is_blamed_beside_them(long: Bars) -> None:
    shipped = feature_stages(long.timeframe, UTC_DAYS, remembered(features_of))
    report = check_leaks(long, [*shipped, *(stage for stage, _ in LEAKY.values())], n_cuts=4, seed=1)
    assert {stage.name for stage in report.stages if stage.leaks} == set(LEAKY)


def test_a_label_among_features_does_not_blame_the_features(long: Bars) -> None:
    stage, column = LEAKY["label among features"]
    assert check_leaks(long, [stage], n_cuts=4, seed=0, perturbations=FUTURES).stages[0].leaking_columns == (column,)


FUTURES = (Perturbation.NOISE, Perturbation.SPIKES, Perturbation.STAMPS, Perturbation.TRUNCATION)


@pytest.mark.parametrize("timeframe", ["1m", "5m", "1h"])
def test_no_feature_leaks(timeframe: str) -> None:
    bars = gappy_bars(2_600, timeframe)
    report = check_leaks(bars, feature_stages(bars.timeframe, UTC_DAYS, features_of), n_cuts=6, seed=0)
    assert report.leaks == ()
    assert report.notes == ()
    assert report.columns == len(compute_features(bars, UTC_DAYS).names) + 11


@pytest.mark.parametrize("kind", Perturbation)
def test_each_perturbation_finds_something_that_no_other_does(kind: Perturbation) -> None:
    stage = ONLY_ONE_FINDS[kind]
    for other in Perturbation:
        report = check_leaks(SHORT, [stage], n_cuts=12, seed=0, perturbations=[other])
        assert bool(report.leaks) == (other is kind), other


def test_a_leak_that_reaches_far_is_found_where_a_single_row_has_it() -> None:
    report = check_leaks(SHORT, [one_bar_reads(20, 500)], n_cuts=3, seed=0)
    assert {leak.row for leak in report.leaks} == {20}


def test_a_leak_of_one_row_and_one_bar_is_found_only_by_a_cut_right_there() -> None:
    """The limit that the docstring states."""
    stage = one_bar_reads(300, 1)
    few = check_leaks(SHORT, [stage], n_cuts=3, seed=0, perturbations=[Perturbation.NOISE])
    every = check_leaks(SHORT, [stage], n_cuts=len(SHORT), seed=0, perturbations=[Perturbation.NOISE])
    assert few.leaks == ()
    assert [leak.row for leak in every.leaks] == [300]


def test_a_leak_before_gaps_alone_is_found() -> None:
    def compute(bars: Bars) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        gap_follows = np.append(np.diff(bars.ts_ns) > bars.timeframe.nanoseconds, False)
        return np.where(gap_follows, np.append(bars.open[1:], np.nan), 0.0)

    assert check_leaks(SHORT, [leaky("weekend", "next_open", compute)], n_cuts=4, seed=0).leaks


def test_the_same_seed_gives_the_same_report() -> None:
    stages = [stage for stage, _ in LEAKY.values() if not stage.fitted_bars and "heat map" not in stage.name]
    assert check_leaks(SHORT, stages, 4, 3) == check_leaks(SHORT, stages, 4, 3)
    assert check_leaks(SHORT, stages, 4, 3) != check_leaks(SHORT, stages, 4, 4)


def test_what_lies_within_the_tolerance_is_no_leak() -> None:
    def compute(bars: Bars) -> Columns:
        return Columns(("close",), (bars.close + 1e-7 * len(bars))[:, np.newaxis])

    assert check_leaks(SHORT, [Stage("loose", compute, tolerance=1e-3)], 3, 0).leaks == ()
    assert check_leaks(SHORT, [Stage("strict", compute)], 3, 0).leaks


def test_rows_that_are_not_settled_are_not_compared() -> None:
    def compute(bars: Bars) -> Columns:
        last = np.arange(len(bars)) == len(bars) - 1
        return Columns(("is_last",), last[:, np.newaxis].astype(float), settled=~last)

    assert check_leaks(SHORT, [Stage("ends", compute)], 3, 0).leaks == ()


def test_what_is_fitted_is_left_alone() -> None:
    def compute(bars: Bars) -> Columns:
        return Columns(("centred",), (bars.close - bars.close[:400].mean())[:, np.newaxis])

    assert check_leaks(SHORT, [Stage("fitted", compute, fitted_bars=400)], 5, 0).leaks == ()
    assert check_leaks(SHORT, [Stage("claims less", compute, fitted_bars=300)], 5, 0).leaks


def test_a_costly_stage_is_computed_once_for_each_kind_of_future_the_earliest() -> None:
    lengths = []

    def compute(bars: Bars) -> Columns:
        lengths.append(len(bars))
        return Columns(("close",), bars.close[:, np.newaxis])

    kinds = [Perturbation.TRUNCATION, Perturbation.NOISE, Perturbation.HEAD]
    report = check_leaks(SHORT, [Stage("fit", compute, is_costly=True)], 5, 0, kinds)
    assert lengths == [600, min(lengths), 600]  # the truth, the shortest, noise; nothing without its head
    assert report.comparisons == 2


def test_bars_too_few_for_some_features_are_checked_as_far_as_they_reach() -> None:
    every = feature_stages(SHORT.timeframe, UTC_DAYS, features_of)
    some = feature_stages(SHORT.timeframe, UTC_DAYS, features_of, longest=300)
    report = check_leaks(SHORT, some, 3, 0)
    assert report.leaks == ()
    assert [stage.name for stage in some] == [stage.name for stage in every]
    columns = {stage.name: stage.columns for stage in report.stages}
    lookbacks = [column.lookback for column in features_of(SHORT).columns]
    assert columns["features"] == sum(lookback <= 300 for lookback in lookbacks)
    few = feature_stages(SHORT.timeframe, UTC_DAYS, features_of, longest=20)
    assert [stage.name for stage in few] == ["features", "coarse bars 15m"]


def test_progress_counts_every_perturbed_history() -> None:
    told: list[tuple[int, int]] = []
    report = check_leaks(SHORT, [one_bar_reads(20, 500)], 3, 0, progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == list(range(1, told[-1][1] + 1))
    assert report.comparisons == told[-1][1] - 3  # such a stage has no lookback, so no head is left out


def test_a_leak_reads_as_a_sentence() -> None:
    (leak,) = check_leaks(SHORT, [one_bar_reads(20, 579)], 1, 0, perturbations=[Perturbation.NOISE]).leaks
    assert str(leak).startswith(f"a leak at one bar, column close: {leak.before:.6g} at bar 20 became ")
    assert str(leak).endswith("when only bars after bar 598 were changed (noise)")


def test_too_few_bars_are_said_to_be_too_few() -> None:
    with pytest.raises(DataError, match="600 bars are too few to change any after bar 599"):
        check_leaks(SHORT, [Stage("fitted", one_bar_reads(1, 1).compute, fitted_bars=600)], 3, 0)
    with pytest.raises(DataError, match="column level_above of features has no value to compare"):
        check_leaks(SHORT, feature_stages(SHORT.timeframe, UTC_DAYS, features_of)[:1], 3, 0)


def test_a_stage_that_does_not_give_a_row_a_bar_is_refused() -> None:
    with pytest.raises(ShapeError, match="stage odd"):
        check_leaks(SHORT, [Stage("odd", lambda bars: Columns(("x",), np.zeros((3, 1))))], 3, 0)
