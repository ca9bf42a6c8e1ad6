"""The page and the words of a study."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from agv2.app.tuning.page import history, tuning_page
from agv2.app.tuning.report import TuningReport
from agv2.app.tuning.trial import TrialTask
from agv2.app.tuning.words import cost_sentence, headline, luck_sentence, trial_rows
from agv2.core.errors import DataError
from agv2.utils.config import parse_override
from tests.studies import SETTINGS, FoldFormula, Watched, studied


@pytest.fixture(scope="module")
def report(market_files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> TuningReport:
    """Twelve trials, one of which failed with words that would be markup."""
    seen: list[str] = []

    def fail(task: TrialTask, fold: int) -> None:
        seen.append(task.digest)
        if len(set(seen)) == 2:
            raise DataError("bars <too> few")

    with pytest.MonkeyPatch.context() as patch:
        home, bars = tmp_path_factory.mktemp("home"), market_files["TREND"]
        settings = (*SETTINGS, parse_override("tuning.space.rl_policy.net_arch={choices: [[8], [16, 16]]}"))
        return studied(patch, bars, home, FoldFormula(fail), Watched(), overrides=settings, n_trials=12)[1]


def test_the_page_needs_nothing_but_itself_and_shows_every_trial(report: TuningReport) -> None:
    page = tuning_page(report)
    assert page == tuning_page(report)
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    table = page.split('id="trials"')[1].split("</table>")[0]
    assert table.count("<tr>") == 1 + len(report.trials)
    assert "bars &lt;too&gt; few" in page
    assert "<too>" not in page
    assert page.count('class="gauge"') == len(report.importances) == 3


def test_the_history_rises_and_has_each_trial_that_was_measured(report: TuningReport) -> None:
    drawn = history(report)
    assert drawn is not None
    assert len(drawn.dots) == sum(each.score is not None for each in report.trials)
    assert all(0.0 <= dot.left <= 100.0 and 0.0 < dot.top < 100.0 for dot in drawn.dots)
    numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", drawn.best)]
    heights = numbers[1::2] if "V" not in drawn.best else []
    assert heights == sorted(heights, reverse=True)
    assert 0.0 < drawn.current < 100.0


def test_the_best_is_first_and_what_failed_is_last(report: TuningReport) -> None:
    rows = trial_rows(report)
    assert report.best is not None
    assert (rows[0].number, rows[0].is_best) == (str(report.best.number), True)
    assert rows[-1].state.startswith("failed: bars <too> few")
    assert [row.settings for row in rows if row.number == "0"] == ["as they were"]
    assert any("rl_policy.net_arch [16, 16]" in row.settings for row in rows)


def test_the_words_say_gain_luck_and_cost(report: TuningReport) -> None:
    assert report.best is not None
    assert headline(report).startswith(f"Trial {report.best.number} is best: +")
    assert "that luck alone would give the best of so many" in luck_sentence(report)
    assert f"counts {report.counted} trials on these bars" in cost_sentence(report)
    assert report.counted == len(report.distinct)
    assert report.hurdle > 0.0


def test_where_nothing_was_better_it_says_so(report: TuningReport) -> None:
    alone = dataclasses.replace(report, trials=report.trials[:1], best=report.trials[0], importances=(), counted=1)
    assert headline(alone).startswith("Nothing tried is better than the settings as they were: ")
    assert history(alone) is None
    assert alone.hurdle == 0.0
    assert "Six trials" in tuning_page(alone)
    none = dataclasses.replace(alone, trials=(), best=None)
    assert headline(none) == "No trial was completed"
    assert "no trial yet" in tuning_page(none)


def test_a_phone_shows_the_page_without_scrolling_sideways(report: TuningReport, tmp_path: Path, browser: Any) -> None:
    path = tmp_path / "tuning.html"
    path.write_text(tuning_page(report), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 900})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    names = page.locator(".weights .name:not(.head)")
    assert all(names.nth(number).bounding_box()["width"] > 120 for number in range(names.count()))
    assert said == []
    page.close()
