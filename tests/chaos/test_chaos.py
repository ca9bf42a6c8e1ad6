"""Killed at any point, with faults mixed in, and held against the venue's own ledger: twenty seeds of the thousand."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from agv2.tradelocker.fake.rules import VenueRules
from tests.chaos.carrying_out import ChaosResult, carry_out
from tests.chaos.mortality import KillPlan
from tests.chaos.schedules import TIGHT, Halt, Schedule, a_schedule
from tests.servers import fresh_database
from tests.wishful_model import LONG

N_SEEDS = 20
WISH = (LONG, 3, 3, 3)
PLAIN = VenueRules(closed_after_ns=None)
HIDING = VenueRules(closed_after_ns=None, visible_after_ns=45_000_000_000)
DECISION = "journal risk+inputs+decision"


def a_life(*kills: KillPlan, seed: int, rules: VenueRules = HIDING, **particulars: Any) -> Schedule:
    return Schedule(seed, (WISH,), (kills,), (), rules, **particulars)


def at(where: str, moment: str) -> KillPlan:
    return KillPlan(where, 1, moment)


AROUND_A_REQUEST = [("journal request", "before"), ("journal request", "after"), ("http POST orders", "during")]
WITHIN_A_TRANSACTION = ["during", "commit"]
WHEN_A_LOSS_HALTS = ["journal guard", "journal kill"]
LIVES: dict[object, Schedule] = {
    **{
        each: a_life(at(*each), at("journal", "after"), seed=1_000 + place)
        for place, each in enumerate(AROUND_A_REQUEST)
    },
    **{
        moment: a_life(at(DECISION, moment), at("journal request", moment), seed=1_010 + place, postgres=True)
        for place, moment in enumerate(WITHIN_A_TRANSACTION)
    },
    **{
        each: a_life(
            at(each, "before"), at("journal", "after"), seed=1_020 + place, rules=PLAIN, crash_bar=2,
            daily_loss_frac=TIGHT,
        )
        for place, each in enumerate(WHEN_A_LOSS_HALTS)
    },
    "a person": a_life(
        at("journal kill", "before"), at("journal started+bar", "after"), seed=1_030,
        halt=Halt(2, flattens=True, rearmed=True),
    ),
}  # fmt: skip
"""One point each that matters, by name."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> dict[int, ChaosResult]:
    directory = tmp_path_factory.mktemp("chaos")
    schedules = [*LIVES.values(), *(a_schedule(seed) for seed in range(N_SEEDS))]
    with fresh_database(postgres_server) as url, ThreadPoolExecutor(10) as pool:  # they mostly wait
        found = list(pool.map(lambda schedule: carry_out(schedule, directory, url), schedules))
    return {each.seed: each for each in found}


@pytest.mark.parametrize("seed", range(N_SEEDS))
def test_whatever_is_killed_ends_at_its_wish_with_equal_books(seed: int, results: dict[int, ChaosResult]) -> None:
    assert results[seed].problems == []


def test_the_schedules_do_kill_and_do_hurt(results: dict[int, ChaosResult]) -> None:
    drawn = [results[seed] for seed in range(N_SEEDS)]
    kills = [kill for each in drawn for kill in each.kills]
    assert len(kills) >= N_SEEDS
    assert any(kill.startswith("http") for kill in kills)
    assert any(kill.startswith(("journal request", "journal intent")) for kill in kills)
    assert sum(each.faults for each in drawn) >= N_SEEDS
    assert sum(each.halts for each in drawn) > 0
    assert [each.journal for each in drawn].count("postgres") == N_SEEDS // 4


@pytest.mark.parametrize("around", AROUND_A_REQUEST)
def test_two_kills_around_one_request_leave_one_order(
    around: tuple[str, str], results: dict[int, ChaosResult]
) -> None:  # fmt: skip
    """The order is hidden until long after the restart: who does not search opens a second one."""
    result = results[LIVES[around].seed]
    assert result.problems == []
    assert result.orders == 1
    assert len(result.kills) == 2


@pytest.mark.parametrize("moment", WITHIN_A_TRANSACTION)
def test_records_killed_within_their_transaction_are_all_there_or_none(
    moment: str, results: dict[int, ChaosResult]
) -> None:
    result = results[LIVES[moment].seed]
    assert result.problems == []
    assert [kill.rpartition(" ")[2] for kill in result.kills] == [moment, moment]
    assert result.journal == "postgres"
    assert result.orders == 1


@pytest.mark.parametrize("where", WHEN_A_LOSS_HALTS)
def test_a_halt_for_a_daily_loss_outlives_the_trader_that_saw_it(where: str, results: dict[int, ChaosResult]) -> None:
    """Prices fall by a tenth while a position is held; the trader dies as it writes the halt down."""
    result = results[LIVES[where].seed]
    assert result.problems == []
    assert result.kills[0] == f"{where} before"
    assert result.halts == 1


def test_a_persons_halt_outlives_the_trader_that_heeds_it(results: dict[int, ChaosResult]) -> None:
    result = results[LIVES["a person"].seed]
    assert result.problems == []
    assert result.kills[0] == "journal kill before"
    assert result.halts == 1
