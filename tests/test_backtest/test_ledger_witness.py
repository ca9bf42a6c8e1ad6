"""A ledger from which something was taken says so."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from agv2.backtest.ledger_witness import ledger_begun_ns, missing_trials, remember_trial
from agv2.backtest.report.reading import read_run
from agv2.backtest.report.tables import evidence_rows
from agv2.backtest.trial_ledger import Trial, TrialLedger
from tests.run_directory import write_run_directory

DAYS = np.arange(1000, 1100)
OWN = Trial("abc", "config", 7)


def ledger_of_three(home: Path) -> TrialLedger:
    ledger = TrialLedger.open(home)
    for seed in (8, 9, 10):
        returns = np.random.default_rng(seed).normal(0.0, 0.01, DAYS.size)
        ledger.record(OWN._replace(seed=seed), DAYS, returns, returns)
    return ledger


def test_a_trial_whose_file_was_deleted_still_counts_and_is_named(tmp_path: Path) -> None:
    ledger, gone = ledger_of_three(tmp_path), OWN._replace(seed=9).trial_hash
    (tmp_path / "trials/abc" / f"{gone}.json").unlink()
    count = ledger.count_before(OWN)
    assert (count.n_trials, len(count.earlier)) == (4, 2)
    assert gone in count.names
    assert count.warnings == (f"trial ledger: {gone}.json was deleted since; it counts, its result is unknown",)
    assert count.n_effective(DAYS, np.random.default_rng(1).normal(0.0, 0.01, DAYS.size)) > 3.0, "it counts as unlike"


def test_all_trials_on_some_bars_deleted_still_count(tmp_path: Path) -> None:
    ledger = ledger_of_three(tmp_path)
    shutil.rmtree(tmp_path / "trials/abc")
    assert ledger.count_before(OWN).n_trials == 4
    assert ledger.count_before(OWN._replace(data_hash="other")).n_trials == 1


def test_a_resumed_run_counts_no_trial_that_was_deleted_after_others_began(tmp_path: Path) -> None:
    ledger, gone = ledger_of_three(tmp_path), OWN._replace(seed=9).trial_hash
    known = [OWN._replace(seed=8).trial_hash]
    (tmp_path / "trials/abc" / f"{gone}.json").unlink()
    assert ledger.count_before(OWN, among=known).n_trials == 2
    assert ledger.count_before(OWN, among=[*known, gone]).n_trials == 3


def test_repeating_a_trial_is_remembered_once_and_recording_it_again_heals(tmp_path: Path) -> None:
    ledger = ledger_of_three(tmp_path)
    again = OWN._replace(seed=9)
    (tmp_path / "trials/abc" / f"{again.trial_hash}.json").unlink()
    assert missing_trials(ledger.folder, "abc") == [again.trial_hash]
    ledger.record(again, DAYS, np.zeros(DAYS.size), np.zeros(DAYS.size))
    assert missing_trials(ledger.folder, "abc") == []
    assert len((tmp_path / "trials/recorded.txt").read_text().splitlines()) == 3


def test_a_damaged_list_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    remember_trial(tmp_path, "abc", "first")
    with (tmp_path / "recorded.txt").open("ab") as stream:
        stream.write(b"\xff\xfe half a li")
    assert missing_trials(tmp_path, "abc") == ["first"]


def test_the_beginning_is_kept_and_that_of_an_older_ledger_is_its_oldest_trial(tmp_path: Path) -> None:
    assert ledger_begun_ns(tmp_path, 5_000) == 5_000
    assert ledger_begun_ns(tmp_path, 9_000) == 5_000
    (tmp_path / "begun.json").write_text("{")
    trial = tmp_path / "abc" / "old.json"
    trial.parent.mkdir()
    trial.write_text("{}")
    os.utime(trial, ns=(7_000_000_000, 7_000_000_000))
    assert ledger_begun_ns(tmp_path, 9_000_000_000) == 7_000_000_000
    assert ledger_begun_ns(tmp_path, 10_000_000_000) == 7_000_000_000


@pytest.mark.parametrize(
    ("begun", "said"),
    [
        ("2026-02-01T08:00:00+00:00", "from the ledger, which was begun 1 Feb 2026 08:00 UTC"),
        (
            "2026-02-14T09:30:01+00:00",
            "from the ledger, which was begun 14 Feb 2026 09:30 UTC, with this run: no earlier trial can be in it",
        ),
    ],
)
def test_the_report_says_since_when_trials_are_counted(tmp_path: Path, begun: str, said: str) -> None:
    run = write_run_directory(tmp_path / "run")
    path = run / "provenance.json"
    document = json.loads(path.read_text()) | {"started": "2026-02-14T09:30:00+00:00", "trial_ledger_begun": begun}
    path.write_text(json.dumps(document))
    meanings = {label: meaning for label, meaning, _ in evidence_rows(read_run(run))}
    assert meanings["Trials counted"].endswith(said)
