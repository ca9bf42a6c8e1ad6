"""One policy: trained, gone on with, told to whoever watches, kept."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from agv2.app.policy_fitting import fit_policy
from agv2.app.policy_training.plan import PolicyPlan
from agv2.app.policy_training.rewards_shown import ShownRewards
from agv2.app.progress import RunProgress
from agv2.app.run_store import RunStore
from agv2.app.training_tracking import tracked_training
from agv2.backtest.tape import MarketTape
from agv2.models.policy import PolicyNetwork

__all__ = ["FOLD", "KeptPolicy", "policy_label", "trained_policy"]

FOLD = "1"
"""Name of the one fold in the store."""


class KeptPolicy(NamedTuple):
    """A trained policy as the store keeps it."""

    network: PolicyNetwork
    facts: Mapping[str, float]
    curve: tuple[Mapping[str, float], ...]
    looks: tuple[Mapping[str, float], ...]


def policy_label(seed: int) -> str:
    """Name of the stage that trains a policy."""
    return f"policy of seed {seed}"


def trained_policy(
    plan: PolicyPlan, seed: int, tapes: Callable[[], Sequence[MarketTape]], store: RunStore, progress: RunProgress
) -> KeptPolicy:
    """One policy, from disk where it was trained before.

    Args:
        plan: what it learns from.
        seed: of its training.
        tapes: makes the bars that train it.
        store: where it goes on from, and is kept.
        progress: has its stage.
    """
    label, number = policy_label(seed), plan.seeds.index(seed)
    stored = store.load_policy(FOLD, number)
    if stored is not None:
        progress.skip(label)
    else:
        with progress.stage(label):
            unfinished = store.folder(FOLD) / f"policy_{number}_unfinished"
            with tracked_training(plan.run.tracker, label, _told(plan, seed), progress.note) as tracked:
                fitted = fit_policy(
                    plan.run, tapes(), plan.folds, seed, unfinished, ShownRewards(progress), tracked
                )  # fmt: skip
        looks = [{"step": look.step, **look.score._asdict()} for look in fitted.looks]
        stored = fitted.network, {"facts": fitted.facts, "curve": list(fitted.curve), "looks": looks}
        store.save_policy(FOLD, number, *stored)
        shutil.rmtree(unfinished, ignore_errors=True)
        store.add_seconds(progress.seconds)
    network, kept = stored
    return KeptPolicy(network, kept["facts"], tuple(kept["curve"]), tuple(kept["looks"]))


def _told(plan: PolicyPlan, seed: int) -> dict[str, Any]:
    """What a tracking server is told that a policy's training depends on."""
    run = plan.run
    return {
        "symbols": ", ".join(market.bars.symbol for market in run.markets),
        "timeframe": run.markets[0].bars.timeframe.name,
        "trial": run.trial._asdict(),
        "holdout_frac": plan.holdout_frac,
        "policy_seed": seed,
        "policy_steps": run.profile.policy_steps,
        "policy": run.settings.rl_policy.in_effect.model_dump(mode="json"),
    }
