"""What the drift monitor says of features, or of the policy's entropy, as a guard."""

from agv2.deploy.monitoring import DriftMonitor, DriftState
from agv2.deploy.verdicts import GuardLevel, GuardVerdict

__all__ = ["drift_verdict"]

_NAMED = 3


def drift_verdict(guard: str, what: str, monitor: DriftMonitor, state: DriftState) -> GuardVerdict:
    """Whether any column has strayed beyond its limit, naming the worst.

    Args:
        guard: its name.
        what: is held against what, for the sentence, such as `features against the training bars`.
        monitor: with its limits.
        state: after the newest bar.
    """
    drifts = monitor.drifts(state)
    worst = drifts[0]
    evidence: dict[str, float | str] = {
        "column": worst.name,
        "stability_index": worst.stability_index,
        "relative_entropy": worst.relative_entropy,
        "limit_share": worst.limit_share,
        "columns_beyond": float(sum(one.limit_share > 1.0 for one in drifts)),
        "bars": float(state.seen_bars),
    }
    if worst.limit_share <= 1.0:
        return GuardVerdict.clear(guard, evidence)
    beyond = [one for one in drifts if one.limit_share > 1.0]
    named = ", ".join(f"{one.name} (PSI {one.stability_index:.2f})" for one in beyond[:_NAMED])
    more = f" and {len(beyond) - _NAMED} more" if len(beyond) > _NAMED else ""
    reason = f"{what}: {named}{more} beyond the limit"
    return GuardVerdict(guard, GuardLevel.HALT, 0, reason, evidence)
