import math

import pytest

from agv2.app.encoder_page.forest import forests
from tests.encoder_reports import compared, evidence_of


def test_a_better_head_lies_left_of_the_line_and_a_worse_one_right() -> None:
    (forest,) = forests(
        [
            evidence_of("A", "regime", compared("class frequencies", 1.0, -0.10, -0.12, -0.08)),
            evidence_of("B", "regime", compared("class frequencies", 1.0, 0.05, 0.01, 0.09)),
        ]
    )
    (left,), (right,) = (cell.rows for cell in forest.cells)
    assert (left.finding, right.finding) == ("better", "worse")
    assert left.left + left.wide < forest.zero < right.left
    scale = (forest.zero - left.dot) / 0.10
    assert left.left == pytest.approx(forest.zero - 0.12 * scale)
    assert left.wide == pytest.approx(0.04 * scale)
    assert right.dot == pytest.approx(forest.zero + 0.05 * scale)
    assert (left.difference, left.interval) == ("−10.0\u202f%", "−12.0\u202f% to −8.0\u202f%")


def test_differences_are_shares_of_each_baselines_own_loss() -> None:
    (forest,) = forests(
        [evidence_of("A", "levels", compared("one", 0.2, -0.01, -0.02, 0.0), compared("two", 0.4, -0.21, -0.22, -0.2))]
    )
    assert [row.difference for row in forest.cells[0].rows] == ["−5.0\u202f%", "−52.5\u202f%"]


def test_the_scale_is_made_for_the_best_baseline_and_says_where_another_is_beyond_it() -> None:
    (forest,) = forests(
        [
            evidence_of(
                "A",
                "reconstruction",
                compared("linear interpolation", 0.10, -0.002, -0.003, -0.001),
                compared("zero", 0.42, -0.32, -0.34, -0.30),
            )
        ]
    )
    best, other = forest.cells[0].rows
    assert (best.is_best, best.is_cut) == (True, False)
    assert (other.is_best, other.is_cut) == (False, True)
    assert other.dot == 0.0
    assert best.wide > 10.0
    assert all(0.0 <= tick.value <= 100.0 for tick in forest.ticks)


def test_without_an_interval_there_is_a_dot_alone() -> None:
    (forest,) = forests([evidence_of("A", "levels", compared("one", 0.2, -0.01, math.nan, math.nan))])
    (row,) = forest.cells[0].rows
    assert (row.wide, row.is_cut, row.finding) == (0.0, False, "draw")
    assert row.interval == "too few moments"


def test_a_head_is_a_figure_and_a_horizon_a_cell() -> None:
    one = compared("HAR", 0.25, -0.001, -0.002, 0.0)
    heads = [evidence_of(s, "quantiles", one, horizon=h) for s in ("A", "B") for h in (1, 3)]
    heads.append(evidence_of("A", "reconstruction"))
    quantiles, hidden = forests(heads)
    assert [cell.name for cell in quantiles.cells] == ["A · 1 bar", "A · 3 bars", "B · 1 bar", "B · 3 bars"]
    assert hidden.cells[0].rows == ()


def test_a_baseline_without_loss_has_no_share() -> None:
    (forest,) = forests([evidence_of("A", "reconstruction", compared("last value", 0.0, 0.0, 0.0, 0.0))])
    (row,) = forest.cells[0].rows
    assert (row.difference, row.dot) == ("–", forest.zero)
