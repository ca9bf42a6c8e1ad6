"""Policies of several seeds as one, and those among them that found too little to trade on."""

from collections.abc import Mapping, Sequence

from agv2.models.policy import PolicyNetwork
from agv2.rl.policy_adapter import ensemble_network

__all__ = ["abstention_note", "voted_policy"]


def voted_policy(networks: Sequence[PolicyNetwork], facts: Sequence[Mapping[str, float]]) -> PolicyNetwork:
    """The ensemble of the policies that trade; where most abstain, of those that do, which is flat.

    Abstaining is no opinion on a bar: averaged with the others' logits it would only shrink them.

    Args:
        networks: one a seed.
        facts: of each, as `fit_policy` gives them.
    """
    silent = [each["abstains"] > 0.0 for each in facts]
    most = 2 * sum(silent) > len(silent)
    return ensemble_network([network for network, is_silent in zip(networks, silent, strict=True) if is_silent == most])


def abstention_note(name: str, facts: Sequence[Mapping[str, float]], least_t: float) -> str | None:
    """One line on policies that abstain; None where none does.

    Args:
        name: of the fold.
        facts: of each seed.
        least_t: standard errors that trading has to be worth.
    """
    worth = [each["left_out_t"] for each in facts if each["abstains"] > 0.0]
    if not worth:
        return None
    who = "the policy abstains" if len(facts) == 1 else f"{len(worth)} of {len(facts)} policies abstain"
    flat = ", and nothing is traded" if 2 * len(worth) > len(facts) else ""
    return (
        f"{name}: {who}{flat}: on training bars left out, holding the likeliest sides was worth {max(worth):.1f} "
        f"standard errors after costs; rl_policy.hindsight.least_t asks for {least_t:g}"
    )
