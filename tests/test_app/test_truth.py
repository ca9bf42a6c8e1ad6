"""The verdict on markets whose truth is known: the truth is what it says, a study can be stopped and gone on with."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from agv2.app.cli.truth import truth
from agv2.app.run_plan import RunRequest
from agv2.app.settings import load_settings
from agv2.app.truth import study as study_module
from agv2.app.truth import whole_run
from agv2.app.truth.markets import CELLS, TruthCell, TruthTrial, truth_trial
from agv2.app.truth.page import headline, truth_page
from agv2.app.truth.study import cells_named, read_trials, run_study, summed_up
from agv2.app.truth.whole_run import whole_run_trial
from agv2.backtest.rule_search import searched_sides
from agv2.backtest.truth_rates import false_alarms
from agv2.core.errors import ConfigError, DataError
from agv2.data.bars_file import read_bars
from tests.tapes import a_tape, costs, walk

ROOT = Path(__file__).resolve().parents[2]
APP = typer.Typer()
APP.command()(truth)
NOISE = CELLS[0]
BARS = 3_000


def called(*words: str | int | Path) -> Result:
    return CliRunner().invoke(APP, [str(word) for word in words])


def a_trial(cell: str, seed: int, level: str = "no evidence") -> TruthTrial:
    return TruthTrial(cell, "XAUUSD", seed, level, 0.5, 0.7, 0.6, 200, 50)


def test_the_same_market_is_judged_the_same_and_another_is_another() -> None:
    settings = load_settings(None, [])
    one, again, other = (truth_trial(NOISE, "ETHUSD", seed, BARS, settings) for seed in (3, 3, 4))
    assert one == again
    assert one.sharpe != other.sharpe
    assert one.n_days > 50
    assert one.n_trades > 5


def test_costs_and_drift_are_there_where_the_kind_says_so() -> None:
    settings = load_settings(None, [])
    by_name = {cell.name: cell for cell in CELLS}
    free, dear = (truth_trial(by_name[name], "XAUUSD", 1, BARS, settings) for name in ("noise", "noise, costs"))
    assert free.sharpe is not None
    assert free != dear._replace(cell="noise")
    assert {cell.name for cell in CELLS if cell.drift_sharpe} == {"drift", "held"}
    assert [cell.name for cell in CELLS if not cell.has_edge] == ["noise", "drift", "noise, costs", "held"]


def test_who_holds_a_steep_rise_beats_a_flat_account_and_is_asked_for_more_than_that() -> None:
    held = next(cell for cell in CELLS if cell.beside_hold)
    trials = [truth_trial(held, "XAUUSD", seed, 6_000, load_settings(None, [])) for seed in (1, 2, 3)]
    assert all(trial.dsr_flat is not None and trial.dsr_flat > 0.95 for trial in trials), trials
    assert len({trial.dsr_hold for trial in trials if trial.dsr_hold is not None and trial.dsr_hold < 0.95}) == 3


def test_a_rule_is_chosen_on_the_past_alone_and_finds_what_is_there() -> None:
    tape = a_tape(walk(3_000), costs=costs(half_spread_frac=1e-4))
    sides = searched_sides(tape, 1_500)
    later = tape.bars.copy()
    for name in ("open", "high", "low", "close"):
        later[name][2_000:] *= 1.5
    changed = dataclasses.replace(tape, bars=later)
    np.testing.assert_array_equal(searched_sides(changed, 1_500)[:2_000], sides[:2_000])

    rng = np.random.default_rng(0)
    trend = np.repeat(rng.choice((-1.0, 1.0), size=60), 50) * 0.002
    path = 100.0 * np.exp(np.cumsum(trend + 0.002 * rng.normal(size=3_000)))
    for name in ("open", "high", "low", "close"):
        later[name] = path
    found = searched_sides(dataclasses.replace(tape, bars=later, volatility=np.full(3_000, 0.002)), 1_500)
    assert np.corrcoef(found[1_500:-1], trend[1_501:])[0, 1] > 0.4


def test_a_study_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, int]] = []

    def trial(cell: TruthCell, symbol: str, seed: int, n_bars: int, settings: object) -> TruthTrial:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append((cell.name, seed))
        return a_trial(cell.name, seed)

    monkeypatch.setattr(study_module, "truth_trial", trial)
    settings, told = load_settings(None, []), list[tuple[int, int]]()

    def go() -> None:
        run_study(tmp_path, CELLS[:2], 2, BARS, 7, settings, lambda done, total, _: told.append((done, total)))

    with pytest.raises(KeyboardInterrupt):
        go()
    with (tmp_path / "trials.jsonl").open("a") as stream:
        stream.write('{"cell": "noise", "sym')  # killed while it wrote
    made.clear()
    go()
    assert made == [("drift", 8)]
    assert told[-1] == (4, 4)
    assert len(read_trials(tmp_path)) == 4
    with pytest.raises(ConfigError, match="the study in it has other seed"):
        run_study(tmp_path, CELLS[:2], 2, BARS, 8, settings, lambda *_: None)


@pytest.mark.slow
def test_a_whole_run_is_a_trial(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AGV2_SMOKE", "1")
    monkeypatch.setenv("AGV2_HOME", str(tmp_path))
    (cell,) = cells_named(["noise, whole"])
    trial = whole_run_trial(cell, "XAUUSD", 5, BARS, load_settings(None, []))
    assert (trial.cell, trial.symbol, trial.seed, trial.level) == ("noise, whole", "XAUUSD", 5, "no evidence")
    assert trial.sharpe is not None


@pytest.mark.parametrize(("name", "spread"), [("noise, whole", 0.0), ("noise, costs, whole", None)])
def test_a_whole_run_is_given_the_market_its_costs_and_its_seed(
    name: str, spread: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[RunRequest] = []

    def judged(request: RunRequest) -> None:
        asked.append(request)
        settings = load_settings(request.config_dir, request.overrides)
        usual = load_settings(None, []).costs.entry("XAUUSD")[0].half_spread_frac
        assert settings.costs.entry("XAUUSD")[0].half_spread_frac == (usual if spread is None else spread)
        assert len(read_bars(request.bars[0]).bars) == BARS
        request.out.mkdir()
        oos = {"sharpe": 1.5, "trades": 90, "trades_per_day": 1.5}
        document = {"oos": oos, "significance": {"dsr": 0.97}, "verdict": "weak evidence"}
        (request.out / "summary.json").write_text(json.dumps(document))

    monkeypatch.setattr(whole_run, "run", judged)
    (cell,) = cells_named([name])
    trial = whole_run_trial(cell, "XAUUSD", 5, BARS, load_settings(None, []))
    assert trial == TruthTrial(name, "XAUUSD", 5, "weak evidence", 1.5, 0.97, None, 60, 90)
    assert (asked[0].seed, asked[0].profile) == (5, "quick")


def test_rates_are_shares_with_their_intervals() -> None:
    trials = [a_trial("noise", seed, "weak evidence" if seed < 3 else "no evidence") for seed in range(100)]
    trials += [a_trial("momentum, strong", seed, "strong evidence") for seed in range(10)]
    study = summed_up(trials, BARS, 7)
    noise, edge = study.rates
    assert (noise.weak.rate, noise.strong.rate) == (0.03, 0.0)
    assert noise.weak.low == pytest.approx(0.0103, abs=1e-3)
    assert edge.strong.rate == 1.0
    assert headline(study).startswith("False alarms on at most 3.0\u202f% (1.0 to 8.5\u202f%) of markets")
    page = truth_page(study)
    assert "noise, trading is free" in page
    assert page == truth_page(summed_up(trials, BARS, 7))


def test_what_is_printed_beside_verdicts_is_the_committed_study() -> None:
    study = summed_up(read_trials(ROOT / "docs/studies/truth"), 12_000, 7)
    shipped = json.loads((ROOT / "src/agv2/backtest/truth_study.json").read_text(encoding="utf-8"))
    assert shipped == study.as_json()
    assert [kind.weak for kind in false_alarms()] == [each.weak for each in study.rates if not each.cell.has_edge]
    assert min(kind.weak.n_samples for kind in false_alarms()) >= 200


def test_too_many_false_alarms_are_marked() -> None:
    trials = [a_trial("noise", seed, "weak evidence" if seed < 20 else "no evidence") for seed in range(100)]
    assert 'class="lane worse"' in truth_page(summed_up(trials, BARS, 7))


def test_the_command_leaves_a_page_and_figures(tmp_path: Path) -> None:
    result = called("--markets", 1, "--bars", 3_000, "--kind", "noise", "--out", tmp_path / "study")
    assert result.exit_code == 0, result.output
    assert "noise, trading is free" in result.stdout
    document = json.loads((tmp_path / "study" / "truth.json").read_text())
    assert document["cells"][0]["markets"] == 1
    assert (tmp_path / "study" / "truth.html").is_file()


def test_bad_words_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--kind 'nose' is unknown; there are: noise; drift"):
        cells_named(["nose"])
    (tmp_path / "trials.jsonl").write_text('{"cell": "noise"}\n')
    with pytest.raises(DataError, match=r"trials\.jsonl:1: no trial of a truth study"):
        read_trials(tmp_path)
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    result = called("--markets", 1, "--bars", 3_000, "--out", in_the_way)
    assert isinstance(result.exception, ConfigError)
    assert "name another directory" in str(result.exception)
