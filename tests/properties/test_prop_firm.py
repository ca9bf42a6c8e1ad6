"""The `prop-firm` profile under random policies: inside 5 % a day and 10 % in all, unless the market gaps wildly."""

import pytest

from tools.prop_firm_rules import measure


@pytest.mark.parametrize(("gap", "wildness"), [(3.0, 1.0), (3.0, 3.0)])
def test_ordinary_gaps_break_no_rule(gap: float, wildness: float) -> None:
    found = measure(gap, wildness, n_books=120, n_days=120, seed=11)
    assert found.halted_days > 0.02 * found.days, "the limits were tried"
    assert found.worst_total > 0.08
    assert (found.daily, found.total) == (0, 0)


def test_without_gaps_a_day_loses_the_limit_and_a_stop_or_two_more() -> None:
    """A full position is three fifths of equity and loses 1.2 % at its widest stop."""
    found = measure(0.0, 8.0, n_books=120, n_days=120, seed=11)
    assert found.halted_days > 0.3 * found.days
    assert 0.03 < found.worst_day < 0.03 + 1.1 * 0.012
    assert 0.08 < found.worst_total < 0.08 + 1.1 * 0.012


def test_gaps_of_several_days_break_them_and_are_counted() -> None:
    found = measure(30.0, 1.0, n_books=60, n_days=60, seed=11)
    assert found.daily > 0
    assert found.total > 0
    assert found.worst_day > 0.05
