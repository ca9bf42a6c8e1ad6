"""The band of a bundle's own backtest: one and the same for the guard, the go-live gate and the ramp."""

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.core.errors import DataError
from agv2.deploy.guards_config import GuardsConfig
from agv2.deploy.pnl_band import PnlBand

__all__ = ["bundle_band"]

_SEED = 7


def bundle_band(daily_returns: FloatArray, config: GuardsConfig, n_books: int = 1) -> PnlBand:
    """The band that a book's results are held against.

    Args:
        daily_returns: (n_days,) simple returns out of sample, as the bundle has them; empty where it has none.
        config: how many days are enough, windows, and how often it may be wrong.
        n_books: books of the account that are guarded alike; they share one rate of false alarms.

    Raises:
        DataError: there are too few days, or the policy never traded; says which.
    """
    if daily_returns.size < config.pnl.least_days:
        raise DataError(f"the bundle knows {daily_returns.size} days out of sample, {config.pnl.least_days} are needed")
    if not daily_returns.any():
        raise DataError("the policy never traded out of sample, so every result is outside of it")
    days = config.pnl.false_alarm_days * n_books
    return PnlBand.calibrated(daily_returns, config.pnl.windows_days, days, np.random.default_rng(_SEED))
