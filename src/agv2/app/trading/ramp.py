"""The ramp of a start: live trading grows into its size, paper has all of it."""

import numpy as np

from agv2.app.trading.request import TradingRequest
from agv2.app.trading.settings import golive_settings
from agv2.core.errors import DataError
from agv2.deploy.bundle_band import bundle_band
from agv2.deploy.live_ramp import LiveRamp
from agv2.deploy.pnl_band import PnlBand
from agv2.execution.journal import Journal
from agv2.execution.size_ramp import FullSize, SizeRamp
from agv2.models.bundle import ModelBundle

__all__ = ["size_ramp"]


def size_ramp(request: TradingRequest, journal: Journal, symbol: str, bundle: ModelBundle | None) -> SizeRamp:
    """The ramp that a trader asks.

    Args:
        request: paper or live, and where its settings are.
        journal: of the trader, open for writing.
        symbol: what is traded.
        bundle: whose backtest results are held against; None: there is no model, and nothing is opened.

    Raises:
        ConfigError: a setting is wrong.
        DataError: the journal's state of the ramp cannot be read.
    """
    if request.mode == "paper" or bundle is None:
        return FullSize()
    golive, guards = golive_settings(request.bundle, request.config_dir, request.overrides)
    band: PnlBand | str
    try:
        band = bundle_band(bundle.reference().daily_returns.get(symbol, np.empty(0)), guards)
    except DataError as error:
        band = str(error)
    return LiveRamp(journal, symbol, golive.ramp, band)
