"""The `prop-firm` profile under random policies: inside 5 % a day and 10 % in all, unless the market gaps wildly."""

import pytest

from tools.prop_firm_rules import measure


@pytest.mark.parametrize(("gap", "wildness"), [(0.0, 3.0), (3.0, 1.0), (3.0, 2.0)])
def test_ordinary_gaps_break_no_rule(gap: float, wildness: float) -> None:
    found = measure(gap, wildness, n_books=120, n_days=120, seed=11)
    assert found.halted_days > 0.02 * found.days, "the limits were tried"
    assert found.worst_total > 0.08
    assert (found.daily, found.total) == (0, 0)


def test_gaps_of_several_days_break_them_and_are_counted() -> None:
    found = measure(30.0, 1.0, n_books=60, n_days=60, seed=11)
    assert found.daily > 0
    assert found.total > 0
    assert found.worst_day > 0.05
