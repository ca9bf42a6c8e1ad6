"""Reward and drawdown while a policy learns, on the bar and now and then as a line."""

from rich.text import Text

from agv2.app.progress import RunProgress

__all__ = ["ShownRewards"]

_LINES = 10  # a training


class ShownRewards:
    """Shows each update on the bar, and a tenth of them where there is no terminal."""

    def __init__(self, progress: RunProgress) -> None:
        """Show in the current stage of `progress`."""
        self._progress = progress
        self._said = 0

    def __call__(self, fraction: float, detail: str) -> None:
        """Show what was reached after `fraction` of the steps."""
        self._progress.update(fraction, detail)
        if (tenth := int(fraction * _LINES)) > self._said:
            self._said = tenth
            self._progress.show(Text(f"after {fraction:.0%}: {detail}", "dim"), f"after {fraction:.0%}: {detail}")
