import json
import math

import numpy as np
import pytest

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.errors import ConfigError, DataError, ShapeError
from agv2.deploy.drift_reference import feature_reference
from agv2.deploy.monitoring import DriftMonitor, DriftState, relative_entropy, stability_index
from agv2.models.feature_reference import FeatureReference

COLUMNS = tuple(f"feature_{number}" for number in range(8))
BARS_PER_DAY = 24


def autocorrelated(n_bars: int, seed: int) -> tuple[FloatArray, IntArray]:
    """Eight features that remember some hours, one of them a flag of the hour, with the trading day of each bar."""
    rng = np.random.default_rng(seed)
    values = np.empty((n_bars, len(COLUMNS)))
    now = rng.standard_normal(len(COLUMNS))
    for bar in range(n_bars):
        now = 0.9 * now + math.sqrt(1.0 - 0.9**2) * rng.standard_normal(len(COLUMNS))
        values[bar] = now
    values[:, 7] = np.arange(n_bars) % BARS_PER_DAY < 8
    return values, np.arange(n_bars, dtype=np.int64) // BARS_PER_DAY


@pytest.fixture(scope="module")
def reference() -> FeatureReference:
    values, days = autocorrelated(400 * BARS_PER_DAY, 0)
    return feature_reference(values, days, COLUMNS, memory_days=10.0)


def first_alarm(monitor: DriftMonitor, rows: FloatArray) -> int | None:
    state = monitor.fresh()
    for bar, row in enumerate(rows):
        state = monitor.observe(state, row)
        if monitor.drifts(state)[0].limit_share > 1.0:
            return bar
    return None


def test_the_stability_index_is_the_sum_of_both_relative_entropies_and_matches_a_sum_by_hand() -> None:
    live, reference = np.array([0.5, 0.3, 0.2]), np.array([0.25, 0.25, 0.5])
    by_hand = 0.25 * math.log(2.0) + 0.05 * math.log(1.2) - 0.3 * math.log(0.4)
    assert stability_index(live, reference) == pytest.approx(by_hand)
    both = relative_entropy(live, reference) + relative_entropy(reference, live)
    assert stability_index(live, reference) == pytest.approx(both)
    assert stability_index(live, live) == 0.0


def test_an_empty_bin_makes_it_large_and_never_infinite() -> None:
    assert 1.0 < stability_index(np.array([1.0, 0.0]), np.array([0.5, 0.5])) < 10.0


def test_bins_hold_a_tenth_each_and_what_is_no_number_has_its_own(reference: FeatureReference) -> None:
    np.testing.assert_allclose(reference.shares[0, :10], 0.1, atol=0.01)
    np.testing.assert_allclose(reference.shares.sum(axis=1), 1.0)
    row = np.full((1, len(COLUMNS)), np.nan)
    assert (reference.bins(row) == 12).all()


def test_a_value_that_a_flag_never_had_falls_into_a_bin_of_its_own(reference: FeatureReference) -> None:
    rows = np.zeros((5, len(COLUMNS)))
    rows[:, 7] = [0.0, 1.0, -1.0, 0.5, 2.0]
    low, high, *new = reference.bins(rows)[:, 7].tolist()
    assert reference.shares[7, low] + reference.shares[7, high] == pytest.approx(1.0)
    assert new == [0, 2, 3] or all(reference.shares[7, each] == 0.0 or each in (low, high) for each in new)


def test_quiet_features_raise_about_the_alarms_that_were_asked_for(reference: FeatureReference) -> None:
    monitor = DriftMonitor.calibrated(reference, 30.0)
    rows, _ = autocorrelated(360 * BARS_PER_DAY, 1)
    state, alarms = monitor.fresh(), 0
    for row in rows:
        state = monitor.observe(state, row)
        if monitor.drifts(state)[0].limit_share > 1.0:
            alarms, state = alarms + 1, monitor.fresh()
    assert 3 <= alarms <= 26  # 12 are asked for; a Poisson count leaves this range three times in a thousand


@pytest.mark.parametrize(
    ("cause", "most_days"), [("stands still", 7), ("moves away", 10), ("four times as large", 20), ("missing", 2)]
)
def test_one_broken_feature_among_eight_is_noticed(reference: FeatureReference, cause: str, most_days: int) -> None:
    monitor = DriftMonitor.calibrated(reference, 30.0)
    rows, _ = autocorrelated(60 * BARS_PER_DAY, 2)
    if cause == "stands still":
        rows[:, 3] = 0.0
    elif cause == "moves away":
        rows[:, 3] += 2.0
    elif cause == "four times as large":
        rows[:, 3] *= 4.0
    else:
        rows[:, 3] = np.nan
    bar = first_alarm(monitor, rows)
    assert bar is not None
    assert bar < most_days * BARS_PER_DAY, bar / BARS_PER_DAY
    state = monitor.fresh()
    for row in rows[: bar + 1]:
        state = monitor.observe(state, row)
    assert monitor.drifts(state)[0].name == "feature_3"


def test_a_state_that_went_through_json_goes_on_bit_by_bit(reference: FeatureReference) -> None:
    monitor = DriftMonitor.calibrated(reference, 30.0)
    rows, _ = autocorrelated(100, 3)
    whole = resumed = monitor.fresh()
    for row in rows:
        whole = monitor.observe(whole, row)
        resumed = DriftState.from_json(json.loads(json.dumps(monitor.observe(resumed, row).as_json())))
    np.testing.assert_array_equal(whole.recent, resumed.recent)
    assert whole.seen_bars == resumed.seen_bars == 100


def test_bars_are_counted_together_where_a_day_has_many() -> None:
    values, _ = autocorrelated(6000, 4)
    days = np.arange(6000, dtype=np.int64) // 288
    reference = feature_reference(values, days, COLUMNS, memory_days=5.0)
    assert (reference.step_bars, reference.memory_bars) == (12, 1440.0)
    monitor = DriftMonitor.calibrated(reference, 10.0)
    state = monitor.fresh()
    for row in values[:11]:
        state = monitor.observe(state, row)
    np.testing.assert_array_equal(state.recent, reference.shares)
    assert (monitor.observe(state, values[11]).recent != reference.shares).any()


def test_a_longer_time_between_false_alarms_needs_a_higher_limit(reference: FeatureReference) -> None:
    limits = [DriftMonitor.calibrated(reference, days).limit for days in (5.0, 30.0, 250.0, 5000.0)]
    assert limits == sorted(limits)
    assert limits[0] < limits[2]


def test_what_cannot_be_a_reference_is_refused_with_its_reason(reference: FeatureReference) -> None:
    values, days = autocorrelated(100, 5)
    with pytest.raises(ShapeError, match="100 rows of 8 features, 99 days"):
        feature_reference(values, days[1:], COLUMNS, 10.0)
    with pytest.raises(DataError, match="10 training bars are too few"):
        feature_reference(values[:10], days[:10], COLUMNS, 10.0)
    values[:, 2] = np.nan
    with pytest.raises(DataError, match="feature_2 has no value"):
        feature_reference(values, days, COLUMNS, 10.0)
    with pytest.raises(ShapeError, match="expected rows of 8 features"):
        reference.bins(values[:, :7])
    empty = FeatureReference.from_arrays({**reference.arrays(), "daily_worst": np.empty(0)})
    with pytest.raises(ConfigError, match="no trading day"):
        DriftMonitor.calibrated(empty, 30.0)
