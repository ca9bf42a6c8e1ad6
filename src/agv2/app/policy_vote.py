"""Policies of several seeds as one, and those among them that found too little to trade on."""

from collections.abc import Mapping, Sequence

from agv2.models.policy import PolicyNetwork
from agv2.rl.policy_adapter import ensemble_network

__all__ = ["evidence_note", "voted_policy"]


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


def evidence_note(name: str, facts: Sequence[Mapping[str, float]], least_t: float) -> str | None:
    """One line on what trading was worth on bars left out, and what follows; None where nobody asked.

    Args:
        name: of the fold.
        facts: of each seed.
        least_t: standard errors that trading has to be worth.
    """
    asked = [each for each in facts if "left_out_t" in each]
    if not asked:
        return None
    silent = [each["left_out_t"] for each in asked if each["abstains"] > 0.0]
    trading = [each for each in asked if not each["abstains"] > 0.0]
    found = f"{name}: on training bars left out, holding the likeliest sides was worth"
    said = []
    if silent:
        who = "the policy abstains" if len(asked) == 1 else f"{len(silent)} of {len(asked)} policies abstain"
        flat = ", and nothing is traded" if 2 * len(silent) > len(asked) else ""
        asks = f"rl_policy.hindsight.least_t asks for {least_t:g}"
        said.append(f"{max(silent):.1f} standard errors after costs, {asks}: {who}{flat}")
    if trading:
        worth = ", ".join(f"{each['left_out_t']:.1f}" for each in trading)
        sizes = ", ".join(f"{each['first_size_frac']:.0%}" for each in trading)
        said.append(f"{worth} standard errors after costs: what trades begins at {sizes} of the targeted size")
    return f"{found} {'; '.join(said)}"
