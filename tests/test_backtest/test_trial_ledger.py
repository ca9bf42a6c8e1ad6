import dataclasses
import pathlib

import numpy as np
import pytest

from agv2.backtest.trial_ledger import PastTrial, Trial, TrialCount, TrialLedger, data_digest
from agv2.core.errors import ConfigError, ShapeError

DAYS = np.arange(1000, 1200)


def returns_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(DAYS.size) * 0.01


def record(ledger: TrialLedger, trial: Trial, seed: int = 0) -> None:
    ledger.record(trial, DAYS, returns_of(seed), returns_of(seed + 100))


def test_a_first_trial_counts_one_and_repeating_it_adds_nothing(tmp_path: pathlib.Path) -> None:
    ledger, trial = TrialLedger.open(tmp_path), Trial("abc", "config", 7)
    assert ledger.count_before(trial) == TrialCount(1, (), ())
    record(ledger, trial)
    record(ledger, trial)
    assert ledger.count_before(trial).n_trials == 1
    assert len(list((tmp_path / "trials" / "abc").iterdir())) == 1


def test_another_seed_or_config_is_another_trial_and_other_bars_are_not(tmp_path: pathlib.Path) -> None:
    ledger, trial = TrialLedger.open(tmp_path), Trial("abc", "config", 7)
    for seed, other in enumerate(
        (trial._replace(seed=8), trial._replace(config_digest="b"), trial._replace(data_hash="x"))
    ):
        record(ledger, other, seed)
    count = TrialLedger.open(tmp_path).count_before(trial)
    assert (count.n_trials, len(count.earlier)) == (3, 2)


def test_the_ledger_says_what_it_has_and_how_many(tmp_path: pathlib.Path) -> None:
    ledger, trial = TrialLedger.open(tmp_path), Trial("abc", "config", 7)
    assert (ledger.has(trial), ledger.count_on("abc")) == (False, 0)
    record(ledger, trial)
    record(ledger, trial._replace(seed=8))
    assert ledger.has(trial)
    assert (ledger.count_on("abc"), ledger.count_on("xyz")) == (2, 0)


def test_what_was_recorded_is_read_back(tmp_path: pathlib.Path) -> None:
    ledger = TrialLedger.open(tmp_path)
    record(ledger, Trial("abc", "config", 8), seed=3)
    (past,) = ledger.count_before(Trial("abc", "config", 7)).earlier
    returns = returns_of(3)
    assert np.array_equal(past.days, DAYS)
    assert past.returns == pytest.approx(returns, abs=1e-8)
    assert past.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1))
    assert past.excess_sharpe == pytest.approx(returns_of(103).mean() / returns_of(103).std(ddof=1))


def test_a_flat_trial_is_recorded_with_undefined_ratios(tmp_path: pathlib.Path) -> None:
    ledger = TrialLedger.open(tmp_path)
    ledger.record(Trial("abc", "config", 8), DAYS, np.zeros(DAYS.size), np.array([]))
    (past,) = ledger.count_before(Trial("abc", "config", 7)).earlier
    assert np.isnan([past.sharpe, past.excess_sharpe]).all()


@pytest.mark.parametrize("damage", ["", "{}", '{"days_int32": "AAA', "[1]", '{"days_int32": "", "n_days": 3}'])
def test_a_damaged_entry_still_counts_and_says_so(tmp_path: pathlib.Path, damage: str) -> None:
    ledger, trial = TrialLedger.open(tmp_path), Trial("abc", "config", 7)
    other = trial._replace(seed=8)
    record(ledger, other)
    (tmp_path / "trials" / "abc" / f"{other.trial_hash}.json").write_text(damage)
    count = ledger.count_before(trial)
    assert (count.n_trials, count.earlier) == (2, ())
    assert len(count.warnings) == 1
    assert f"{other.trial_hash}.json is damaged" in count.warnings[0]
    assert "\n" not in count.warnings[0]


def test_effective_trials_lie_between_one_and_all() -> None:
    trial_returns = returns_of(0)

    def effective(*series: np.ndarray) -> float:
        ledger_count = TrialCount(len(series) + 1, (), ())
        past = tuple(_past(item) for item in series)
        return dataclasses.replace(ledger_count, earlier=past).n_effective(DAYS, trial_returns)

    assert effective() == 1.0
    assert effective(trial_returns, trial_returns) == pytest.approx(1.0)
    assert effective(-trial_returns) == 2.0
    assert effective(np.zeros(DAYS.size)) == 2.0
    assert effective(returns_of(1)) == 2.0, "what chance has in common is nothing"
    other = trial_returns + returns_of(1)
    assert effective(other) == pytest.approx(2 - float(np.corrcoef(trial_returns, other)[0, 1]))
    # one twin and one unknown result among three: the twins count once, and what is unknown is unlike
    damaged = TrialCount(3, (_past(trial_returns),), ("damaged",))
    assert damaged.n_effective(DAYS, trial_returns) == pytest.approx(2.0)


def test_only_common_days_are_compared() -> None:
    shifted = TrialCount(2, (_past(np.r_[returns_of(0)[100:], returns_of(5)[:100]], DAYS + 100),), ())
    assert shifted.n_effective(DAYS, returns_of(0)) == pytest.approx(1.0)
    disjoint = TrialCount(2, (_past(returns_of(0), DAYS + 190),), ())
    assert disjoint.n_effective(DAYS, returns_of(0)) == 2.0


def test_the_home_comes_from_the_environment(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    record(TrialLedger.open(), Trial("abc", "config", 7))
    assert (tmp_path / "home" / "trials" / "abc").is_dir()


def test_a_home_that_cannot_be_made_is_one_clear_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="set AGV2_HOME"):
        TrialLedger.open(tmp_path / "file")


@pytest.mark.parametrize("name", ["../up", "..", "", "a/b"])
def test_a_data_hash_never_leaves_the_ledger(tmp_path: pathlib.Path, name: str) -> None:
    with pytest.raises(ConfigError):
        TrialLedger.open(tmp_path).count_before(Trial(name, "config", 7))


def test_days_and_returns_belong_together(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ShapeError):
        TrialLedger.open(tmp_path).record(Trial("abc", "config", 7), DAYS, np.zeros(3), np.zeros(3))


def test_the_digest_of_the_data_is_that_of_its_contents_in_any_order() -> None:
    assert data_digest(["1", "2"]) == data_digest(["2", "1"])
    assert len({data_digest(["1"]), data_digest(["2"]), data_digest(["1", "2"])}) == 3


def _past(returns: np.ndarray, days: np.ndarray = DAYS) -> PastTrial:
    return PastTrial(days, returns, 0.0, 0.0)
