"""The course of a study: what is tried, kept, gone on with, counted and refused."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.app.tuning import study as study_module
from agv2.app.tuning.plan import StudyPlan
from agv2.app.tuning.report import TuningReport
from agv2.app.tuning.shown_trials import ShownTrials
from agv2.app.tuning.trial import TrialTask
from agv2.app.tuning.trial_task import StudyFiles
from agv2.app.workers.opening import Workers
from agv2.app.workers.tasks import Pending, Task, Workplace
from agv2.backtest.trial_ledger import TrialLedger
from agv2.core.errors import ConfigError, DataError, InvariantError
from agv2.data.bars_file import read_bars, write_bars
from agv2.utils.config import parse_override
from tests.markets import scrambled_after
from tests.studies import SETTINGS, FoldFormula, Watched, studied

Study = Callable[..., tuple[StudyPlan, TuningReport]]


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch, market_files: dict[str, Path], tmp_path: Path) -> Study:
    """A study of one market, every trial a formula."""

    def start(formula: FoldFormula | None = None, watched: Watched | None = None, **options: Any) -> Any:
        bars, home = options.pop("bars", market_files["TREND"]), options.pop("home", tmp_path / "home")
        return studied(monkeypatch, bars, home, formula or FoldFormula(), watched or Watched(), **options)

    return start


def tried(report: TuningReport) -> list[tuple[Any, ...]]:
    return [(one.number, one.state, one.score, one.fold_scores, dict(one.parameters)) for one in report.trials]


def test_the_first_trial_is_the_settings_as_they_are_and_the_best_one_is_found(study: Study) -> None:
    plan, report = study(n_trials=12)
    assert dict(report.trials[0].parameters) == dict(plan.space.current) == {
        "rl_policy.gamma": 0.97, "rl_policy.n_epochs": 4,
    }  # fmt: skip
    assert report.best is not None
    scores = [one.score for one in report.trials if one.state == "complete"]
    assert report.best.score == max(score for score in scores if score is not None)
    assert report.gain is not None
    assert report.gain > 0.0
    assert float(report.best.parameters["rl_policy.gamma"] or 0) > 0.98, "the formula pays for gamma"


def test_the_same_seed_is_the_same_study_and_another_seed_another(study: Study, tmp_path: Path) -> None:
    one, two, other = (
        tried(study(home=tmp_path / str(number), seed=seed, n_trials=5)[1]) for number, seed in enumerate((3, 3, 4))
    )
    assert one == two != other


def test_a_study_stopped_anywhere_goes_on_to_the_same_trials(study: Study, tmp_path: Path) -> None:
    _, whole = study(home=tmp_path / "whole")

    def stop_at(trial: int) -> FoldFormula:
        seen: list[str] = []

        def stop(task: TrialTask, fold: int) -> None:
            seen.append(task.digest)
            if len(set(seen)) > trial and fold == 2:
                raise KeyboardInterrupt

        return FoldFormula(stop)

    for trial in (0, 2, 1):  # in the middle of a trial, more than once
        with pytest.raises(KeyboardInterrupt):
            study(stop_at(trial))
    watched = Watched()
    _, report = study(watched=watched)
    assert tried(report) == tried(whole)
    assert watched.ended_trials == list(range(watched.ended_trials[0], 6)), "what was done is not done again"
    assert study(watched=(again := Watched()))[1].trials == report.trials
    assert again.ended_trials == []


def test_trials_of_a_round_do_not_know_of_each_other(study: Study, tmp_path: Path) -> None:
    """So that it does not matter which of them ends first: rounds of four, 4 to 7 the second."""
    digests: list[str] = []

    def fifth_fails(task: TrialTask, fold: int) -> None:
        digests.append(task.digest)
        if len(dict.fromkeys(digests)) == 5:
            raise DataError("too few bars")

    (_, whole), (_, without) = study(n_trials=9), study(FoldFormula(fifth_fails), n_trials=9, home=tmp_path / "other")
    assert (whole.trials[4].state, without.trials[4].state) == ("complete", "failed")
    drawn, again = ([dict(one.parameters) for one in report.trials] for report in (whole, without))
    assert drawn[:8] == again[:8]
    assert drawn[8] != again[8], "the next round does"


def _digest(report: TuningReport, number: int) -> str:
    return report.plan.task(report.trials[number].parameters).digest


class BackwardsPool:
    """Does what was begun last first, as workers may."""

    def __init__(self, shared: StudyFiles) -> None:
        self.place, self.begun = Workplace(shared, ShownTrials(Watched())), list[_Waiting]()

    def begin(self, task: Task[Any]) -> Pending[Any]:
        self.begun.append(_Waiting(self, task))
        return self.begun[-1]


class _Waiting(Pending[Any]):
    def __init__(self, pool: BackwardsPool, task: Task[Any]) -> None:
        self.pool, self.task, self.found = pool, task, list[Any]()

    def result(self) -> Any:
        for other in reversed(self.pool.begun):
            if not other.found:
                other.found.append(other.task.work(self.pool.place, *other.task.inputs))
        return self.found[0]


def test_trials_done_together_in_any_order_are_the_same_study(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def backwards(workers: Workers | None, shared: StudyFiles, watcher: object) -> Iterator[BackwardsPool]:
        assert workers is not None
        assert {path.name for path, _ in shared.contents} >= {"0.parquet", "encoder.yaml"}, "they travel with the tasks"
        yield BackwardsPool(shared)

    _, alone = study(n_trials=7)
    monkeypatch.setattr(study_module, "task_pool", backwards)
    formula, watched = FoldFormula(), Watched()
    _, together = study(formula, watched, n_trials=7, home=tmp_path / "other", workers=Workers("local:2", None, 2))
    assert tried(together) == tried(alone)
    assert together.counted == len(together.distinct)
    assert watched.ended_trials == list(range(7)), "they are written down in the order of their numbers"
    assert formula.asked[0][0] == _digest(together, 3), "the last of the first round was done first"


def test_more_trials_go_on_where_fewer_ended(study: Study, tmp_path: Path) -> None:
    study(n_trials=4)
    _, longer = study(n_trials=6)
    _, whole = study(n_trials=6, home=tmp_path / "other")
    assert tried(longer) == tried(whole)


def test_time_that_runs_out_leaves_the_trial_to_a_later_call(study: Study) -> None:
    _, report = study(timeout_s=0.0)
    assert report.trials == ()
    _, report = study(n_trials=3, timeout_s=600.0)
    assert [one.state for one in report.trials] == ["complete"] * 3


def test_a_trial_that_fails_is_kept_with_its_reason_and_the_study_goes_on(study: Study) -> None:
    failing = iter([None, DataError("too few bars"), FloatingPointError(), RuntimeError("value cannot be\nconverted")])

    def fail(task: TrialTask, fold: int) -> None:
        problem = next(failing, None) if fold == 1 else None
        if problem is not None:
            raise problem

    _, report = study(FoldFormula(fail), n_trials=6)
    assert [one.reason for one in report.trials][:4] == [
        "", "too few bars", "FloatingPointError", "value cannot be converted",
    ]  # fmt: skip
    assert [one.state for one in report.trials][:5] == ["complete", "failed", "failed", "failed", "complete"]
    assert report.counted == 3, "what measured nothing is no trial"


def test_settings_that_contradict_each_other_are_a_failed_trial(study: Study) -> None:
    both = parse_override("tuning.space.rl_policy.batch_size={choices: [64, 256]}")
    odd = parse_override("tuning.space.rl_policy.n_books={choices: [16, 24]}")
    _, report = study(overrides=(*SETTINGS, both, odd), n_trials=12)
    reasons = [one.reason for one in report.trials if one.state == "failed"]
    assert reasons
    assert all("must be a multiple of batch_size" in reason for reason in reasons)


def test_a_fault_of_ours_stops_the_study_and_leaves_the_trial_open(study: Study) -> None:
    def fault(task: TrialTask, fold: int) -> None:
        raise InvariantError("impossible")

    with pytest.raises(InvariantError):
        study(FoldFormula(fault))
    _, report = study(n_trials=1)
    assert [one.state for one in report.trials] == ["complete"]


def test_settings_tried_before_are_not_evaluated_again(study: Study) -> None:
    two = parse_override(
        "tuning.space={rl_policy.gamma: {choices: [0.95, 0.97]}, rl_policy.n_epochs: {choices: [2, 4]}}"
    )
    formula = FoldFormula()
    rest = tuple(each for each in SETTINGS if each.file != "tuning")
    _, report = study(formula, overrides=(*rest, two, parse_override("tuning.pruner=none")), n_trials=10)
    distinct = {tuple(one.parameters.items()) for one in report.trials}
    assert len(distinct) < 10
    assert len(formula.asked) == len(set(formula.asked)) == 2 * len(distinct)
    repeated = [one for one in report.trials if one.repeats is not None]
    assert len(repeated) == 10 - len(distinct)
    for one in repeated:
        first = report.trials[one.repeats or 0]
        assert (one.state, one.score, one.parameters) == (first.state, first.score, first.parameters)
    assert report.counted == len(report.distinct) == len(distinct)


@pytest.mark.parametrize("pruner", ["median", "halving"])
def test_a_trial_that_falls_behind_ends_before_its_last_fold(pruner: str, study: Study) -> None:
    settings = (*SETTINGS, parse_override(f"tuning.pruner={pruner}"))
    _, report = study(overrides=settings, n_trials=12)
    pruned = [one for one in report.trials if one.state == "pruned"]
    assert pruned
    assert all(len(one.fold_scores) == 1 for one in pruned)
    assert report.best is not None
    assert len(report.best.fold_scores) == 2
    assert report.counted == len(report.distinct), "a trial that was ended early was looked at all the same"


def test_the_ledger_counts_each_trial_and_a_run_of_the_same_settings_is_one_of_them(study: Study) -> None:
    plan, report = study(n_trials=5)
    assert report.best is not None
    ledger = TrialLedger.open()
    for one in report.trials:
        assert ledger.count_before(plan.trial(one.parameters)).n_trials == 5
    assert ledger.count_before(plan.trial({"rl_policy.gamma": 0.5})).n_trials == 6


def test_what_a_run_has_recorded_is_not_replaced_by_a_trial(study: Study) -> None:
    plan, _ = study(n_trials=1)
    ledger, counted = TrialLedger.open(), plan.trial(plan.space.current)
    days = np.arange(100)
    ledger.record(counted, days, 0.01 * np.sin(days), np.array([]))
    shutil.rmtree(plan.folder)
    study(n_trials=2)
    other = counted._replace(config_digest="other")
    kept = [one for one in ledger.count_before(other).earlier if np.array_equal(one.days, days)]
    assert len(kept) == 1


def test_a_name_taken_by_another_study_is_refused(study: Study) -> None:
    study(study="mine", n_trials=2)
    with pytest.raises(ConfigError, match=r"--study mine: it was begun with other --seed; repeat the command"):
        study(study="mine", n_trials=2, seed=8)
    with pytest.raises(ConfigError, match=r"--study \.\./mine: write letters, digits"):
        study(study="../mine")


@pytest.fixture
def scrambled(market_files: dict[str, Path], tmp_path: Path, study: Study) -> Path:
    """The same bars up to the first test bar of the run, and others from there on."""
    plan, _ = study(n_trials=1, home=tmp_path / "probe")
    bars = read_bars(market_files["TREND"]).bars
    first = int(np.searchsorted(bars.ts_ns, plan.first_test_ns))
    assert len(plan.seen[0]) == first, "every bar before the first test bar is seen"
    wild = scrambled_after(bars, first - 1)
    assert not np.isclose(wild.close[first:], bars.close[first:]).any()
    path = tmp_path / "other/TREND_1h.parquet"
    path.parent.mkdir()
    write_bars(wild, path)
    return path


def test_nothing_from_the_first_test_bar_on_reaches_a_study(study: Study, scrambled: Path, tmp_path: Path) -> None:
    """Trials read the files that are compared here, and nothing else of the bars."""
    plan, report = study(n_trials=3, home=tmp_path / "one")
    other, same = study(n_trials=3, home=tmp_path / "two", bars=scrambled, accept_defects=True)
    task, twin = plan.task(plan.space.current), other.task(other.space.current)
    for mine, theirs in zip([*task.bars, *sorted(task.config_dir.iterdir())],
                            [*twin.bars, *sorted(twin.config_dir.iterdir())], strict=True):  # fmt: skip
        assert mine.read_bytes() == theirs.read_bytes()
    assert (plan.identity, plan.name, plan.data_end_ns) == (other.identity, other.name, other.data_end_ns)
    assert plan.data_hash != other.data_hash, "the ledger counts by the whole file"
    assert tried(report) == tried(same)
    assert read_bars(task.bars[0]).bars.close_ns[-1] == plan.data_end_ns <= plan.first_test_ns
