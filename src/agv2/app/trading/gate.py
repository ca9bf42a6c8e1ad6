"""Whether a model may trade real money."""

from pathlib import Path

from agv2.core.errors import ConfigError

__all__ = ["require_gate"]


def require_gate(bundle: Path, override: str | None) -> None:
    """Return if the bundle has passed the go-live gate, or somebody says in so many words that it need not.

    There is no gate yet that anything could pass.

    Args:
        bundle: directory of the model.
        override: the reason given; None: none was.

    Raises:
        ConfigError: it has not, or the reason is empty.
    """
    if override is None:
        raise ConfigError(
            f"{bundle} has passed no go-live gate: trade it with agv2 paper; --override-gate 'REASON' trades real "
            "money all the same, and is written down"
        )
    if not override.strip():
        raise ConfigError("--override-gate wants a reason: it goes into the journal")
