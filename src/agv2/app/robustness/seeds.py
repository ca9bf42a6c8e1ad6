"""What each seed's policy would have made of the test bars alone: how far chance in training reaches."""

from collections.abc import Callable
from typing import Any

from agv2.app.robustness.measured import measures
from agv2.app.robustness.subject import FoldModels, Subject
from agv2.app.robustness.variants import AS_IT_WAS, Variant, largest_difference, trade_variants
from agv2.models.policy import PolicyNetwork

__all__ = ["seed_results"]


def seed_results(subject: Subject, report: Callable[[float, str], None], tell: Callable[[str], None]) -> dict[str, Any]:
    """What `robustness/seeds.json` holds: the run's account, and that of each seed; none of them is ever picked.

    Args:
        subject: the run.
        report: told the share done and what is traded.
        tell: told of trouble with the disk.
    """
    numbers = range(subject.plan.profile.seeds)
    names = [f"seed {number + 1}" for number in numbers]
    alone = [Variant(name, policy=_of_seed(number)) for name, number in zip(names, numbers, strict=True)]
    found = trade_variants(subject, [AS_IT_WAS, *alone], report, tell)
    base = found[AS_IT_WAS.name]
    return {
        "base": {**measures(base.account), "fold_returns": list(base.fold_returns)},
        "largest_difference": largest_difference(subject, base.account),
        "rows": [
            {"name": name, **measures(found[name].account), "fold_returns": list(found[name].fold_returns)}
            for name in names
        ],
    }


def _of_seed(number: int) -> Callable[[FoldModels], PolicyNetwork]:
    return lambda models: models.policies[number]
