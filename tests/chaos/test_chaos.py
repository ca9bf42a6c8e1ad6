"""Killed at any point, with faults mixed in, and held against the venue's own ledger: twenty seeds of the thousand."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agv2.tradelocker.fake.rules import VenueRules
from tests.chaos.processes import KillPlan
from tests.chaos.schedules import ChaosResult, Schedule, a_schedule, carry_out

N_SEEDS = 20


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[ChaosResult]:
    directory = tmp_path_factory.mktemp("chaos")
    with ThreadPoolExecutor(8) as pool:  # they mostly wait
        return list(pool.map(lambda seed: carry_out(a_schedule(seed), directory), range(N_SEEDS)))


@pytest.mark.parametrize("seed", range(N_SEEDS))
def test_whatever_is_killed_ends_at_its_target_with_equal_books(seed: int, results: list[ChaosResult]) -> None:
    assert results[seed].problems == []
    assert results[seed].unprotected_reconciles == 0


def test_the_schedules_do_kill_and_do_hurt(results: list[ChaosResult]) -> None:
    kills = [kill for each in results for kill in each.kills]
    assert len(kills) >= N_SEEDS
    assert any(kill.startswith("http POST orders") for kill in kills)
    assert any(kill.startswith(("journal request", "journal intent")) for kill in kills)
    assert sum(each.faults for each in results) >= N_SEEDS


@pytest.mark.parametrize(
    ("where", "moment"),
    [("journal", "before"), ("journal", "after"), ("http", "during")],
)
def test_two_kills_around_one_request_leave_one_order(where: str, moment: str, tmp_path: Path) -> None:
    """The order is hidden until long after the restart: who does not search opens a second one."""
    rules = VenueRules(closed_after_ns=None, visible_after_ns=45_000_000_000)
    number = 3 if where == "journal" else 15
    kills = (KillPlan(where, number, moment), KillPlan("journal", 1, "after"))
    result = carry_out(Schedule(7, (3.0,), (kills,), (), rules, None), tmp_path)
    assert result.problems == []
    assert result.orders == 1
    assert len(result.kills) == 2
