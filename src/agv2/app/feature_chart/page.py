"""The features of some bars as one HTML page that needs nothing but itself."""

import base64
import hashlib

from agv2.app.feature_chart.drawing import feature_chart
from agv2.backtest.report.assets import page_asset, page_environment
from agv2.backtest.report.numerals import format_stamp
from agv2.core.bars import Bars
from agv2.features.pipeline import FeatureMatrix

__all__ = ["feature_page"]

_PACKAGE = "agv2.app.feature_chart"


def feature_page(bars: Bars, features: FeatureMatrix, shown: int) -> str:
    """Candles over their heat map, and every feature below; the same bars give the same text.

    Args:
        bars: of one symbol.
        features: of these bars; complete for the last `shown` of them.
        shown: bars to draw, >= 2.
    """
    script = page_asset("features.js", _PACKAGE)
    first, last = (format_stamp(int(bars.ts_ns[at])) for at in (-shown, -1))
    return (
        page_environment(_PACKAGE)
        .get_template("features.html.jinja")
        .render(
            style=page_asset("features.css", _PACKAGE),
            script=script,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            symbol=bars.symbol,
            timeframe=bars.timeframe.name,
            span=f"{first} to {last} UTC",
            shown=shown,
            timeframes=list(dict.fromkeys(column.timeframe for column in features.columns)),
            chart=feature_chart(bars, features, shown),
        )
    )
