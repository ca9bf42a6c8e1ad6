"""Seeded schedules of kills, faults and halts."""

from dataclasses import dataclass

import numpy as np

from agv2.tradelocker.fake.faults import FaultKind, FaultRule
from agv2.tradelocker.fake.rules import VenueRules
from tests.chaos.mortality import KillPlan
from tests.wishful_model import FLAT, LONG, SHORT, Wish

__all__ = ["Halt", "Schedule", "a_schedule", "every_kill_of_a_life"]

ACCOUNT = "/trade/accounts/*"
ORDERS = "/trade/accounts/*/orders"
POSITION = "/trade/positions/*"
HISTORY = "/trade/history"
NO_LIMIT, TIGHT = 0.9, 0.001
"""Daily loss as a share of equity; the second is less than a crash costs the smallest position."""
_EVERY_POSTGRES = 4


@dataclass(frozen=True, slots=True)
class Halt:
    """A person throws the kill switch."""

    reconcile: int
    """After which reconcile of all processes together."""
    flattens: bool
    rearmed: bool
    """Whether a person re-arms before the last trader starts."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What happens to traders that want these things one after another."""

    seed: int
    wishes: tuple[Wish, ...]
    kills: tuple[tuple[KillPlan, ...], ...]
    """For each wish: kills of the processes that pursue it, one a process."""
    faults: tuple[FaultRule, ...]
    rules: VenueRules
    crash_bar: int | None = None
    """Bar from which on prices are 10 % lower: stops fire. The first wish is pursued until then."""
    daily_loss_frac: float = NO_LIMIT
    halt: Halt | None = None
    postgres: bool = False
    """The journal is in PostgreSQL, where there is one."""


def a_schedule(seed: int) -> Schedule:
    """Wishes, kills, faults and halts drawn from `seed`."""
    rng = np.random.default_rng([20_261_124, seed])
    sides = [int(rng.choice([LONG, SHORT]))]
    sides += [int(rng.choice([each for each in (FLAT, LONG, SHORT) if each != sides[-1]]))
              for _ in range(int(rng.integers(0, 3)))]  # fmt: skip
    wishes = tuple((side, int(rng.integers(0, 4)), int(rng.integers(2, 4)), 3) for side in sides)
    postgres = seed % _EVERY_POSTGRES == _EVERY_POSTGRES - 1
    kills = tuple(tuple(_a_kill(rng, postgres=postgres) for _ in range(int(rng.integers(1, 3)))) for _ in wishes)
    faults = tuple(_a_fault(rng) for _ in range(int(rng.integers(0, 5))))
    rules = VenueRules(
        closed_after_ns=None,
        fill_delay_ns=int(rng.choice([0, 0, 1, 3]) * 1_000_000_000),
        visible_after_ns=int(rng.choice([0, 0, 5, 30]) * 1_000_000_000),
        slippage_ticks=int(rng.integers(0, 3)),
        no_content=bool(rng.integers(0, 2)),
        reversed_columns=bool(rng.integers(0, 2)),
    )
    crash_bar = int(rng.integers(1, 4)) if rng.random() < 0.3 else None
    tight = crash_bar is not None and rng.random() < 0.6
    halt = Halt(int(rng.integers(1, 40)), bool(rng.integers(0, 2)), bool(rng.integers(0, 2)) and not tight)
    return Schedule(
        seed, wishes, kills, faults, rules, crash_bar, TIGHT if tight else NO_LIMIT,
        halt if rng.random() < 0.25 else None, postgres,
    )  # fmt: skip


def _a_kill(rng: np.random.Generator, *, postgres: bool) -> KillPlan:
    if rng.random() < 0.5:
        moments = ("before", "during", "commit", "after") if postgres else ("before", "during", "after")
        return KillPlan("journal", int(rng.integers(1, 19)), str(rng.choice(moments)))
    return KillPlan("http", int(rng.integers(1, 46)), str(rng.choice(["before", "during", "after"])))


def _a_fault(rng: np.random.Generator) -> FaultRule:
    first = int(rng.integers(1, 4))
    on_orders = [
        FaultRule(FaultKind.LOST_ANSWER, method="POST", path=ORDERS, first=first),
        FaultRule(FaultKind.RESET, method="POST", path=ORDERS, first=first),
        FaultRule(FaultKind.SERVER_ERROR, method="POST", path=ORDERS, first=first, processed=bool(rng.integers(0, 2))),
        FaultRule(FaultKind.TIMEOUT, method="POST", path=ORDERS, first=first, processed=True, seconds=0.05),
        FaultRule(FaultKind.MALFORMED_JSON, method="POST", path=ORDERS, first=first),
        FaultRule(FaultKind.NO_ORDER_ID, first=first),
        FaultRule(FaultKind.REFUSED_ORDER, first=first),
        FaultRule(FaultKind.LATE_REJECT, first=first),
        FaultRule(FaultKind.PARTIAL_FILL, first=first),
        FaultRule(FaultKind.DROPPED_BRACKET, first=first, times=2),
        FaultRule(FaultKind.DELAYED_VISIBILITY, first=first, seconds=float(rng.uniform(1.0, 40.0))),
        FaultRule(FaultKind.TOKEN_EXPIRED, method="POST", path=ORDERS, first=first),
        FaultRule(FaultKind.TOO_MANY_REQUESTS, method="POST", path=ORDERS, first=first, retry_after_s=3),
    ]
    elsewhere = [
        FaultRule(FaultKind.LOST_ANSWER, method="DELETE", path=POSITION, first=first),
        FaultRule(FaultKind.RESET, method="DELETE", path=POSITION, first=first),
        FaultRule(FaultKind.LOST_ANSWER, method="PATCH", path=POSITION, first=first),
        FaultRule(FaultKind.RESET, method="PATCH", path=POSITION, first=first, times=2),
        FaultRule(FaultKind.SERVER_ERROR, method="GET", path=f"{ACCOUNT}/*", first=3 * first, times=4),
        FaultRule(FaultKind.LOGIN_REVOKED, first=4 * first),
        FaultRule(FaultKind.HTML_PAGE, method="GET", path=f"{ACCOUNT}/*", first=2 * first, times=2),
        FaultRule(FaultKind.SERVER_ERROR, method="GET", path=HISTORY, first=first, times=3),
        FaultRule(FaultKind.LOST_ANSWER, method="GET", path=HISTORY, first=2 * first, times=2),
        FaultRule(FaultKind.MALFORMED_JSON, method="GET", path=HISTORY, first=first),
    ]
    drawn = on_orders if rng.random() < 0.65 else elsewhere
    return drawn[int(rng.integers(len(drawn)))]


def every_kill_of_a_life(first: int, where: str, number: int) -> list[Schedule]:
    """A kill at one journal write or HTTP call, at each of its moments, on the way to the `first` of two wishes.

    The caller counts `number` up until nobody dies any more: then each has been killed at.
    """
    schedules = []
    for place, moment in enumerate(("before", "during", "after")):
        kills = tuple((KillPlan(where, number, moment),) if at == first else () for at in range(2))
        seed = 100_000 * (1 + first) + (50_000 if where == "http" else 0) + 10 * number + place
        # Slow to fill and slower to show: the venue knows of the order, and a restarted trader cannot see it yet.
        rules = VenueRules(closed_after_ns=None, fill_delay_ns=1_000_000_000, visible_after_ns=45_000_000_000)
        schedules.append(Schedule(seed, ((LONG, 3, 3, 3), (SHORT, 1, 3, 3)), kills, (), rules))
    return schedules
