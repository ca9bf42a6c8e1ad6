"""What the report calls the things that the files name: metrics, baselines, reasons."""

from dataclasses import dataclass

from agv2.backtest.report.numerals import Unit

__all__ = ["METRIC_GROUPS", "Metric", "in_words"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One of the sixteen numbers of `summary.json`."""

    key: str
    label: str
    unit: Unit
    meaning: str
    signed: bool = False


METRIC_GROUPS: tuple[tuple[str, tuple[Metric, ...]], ...] = (
    (
        "Return",
        (
            Metric("net_return", "Net return", Unit.PERCENT, "last equity over first, minus one, after costs", True),
            Metric("sharpe", "Sharpe ratio", Unit.RATIO, "mean daily return over its deviation, annualised", True),
            Metric("sortino", "Sortino ratio", Unit.RATIO, "as Sharpe, over the deviation of losing days alone", True),
            Metric("calmar", "Calmar ratio", Unit.RATIO, "compound annual return over the maximum drawdown", True),
        ),
    ),
    (
        "Risk",
        (
            Metric("max_drawdown", "Max drawdown", Unit.PERCENT, "deepest fall of equity from an earlier peak"),
            Metric("underwater_bars", "Underwater", Unit.BARS, "longest stay of equity below an earlier peak"),
            Metric("cvar_95", "CVaR 95\u202f%", Unit.PERCENT, "mean loss of the worst 5\u202f% of days"),
            Metric("cvar_99", "CVaR 99\u202f%", Unit.PERCENT, "mean loss of the worst 1\u202f% of days"),
            Metric("exposure", "Exposure", Unit.PERCENT, "mean notional held over equity"),
        ),
    ),
    (
        "Trading",
        (
            Metric("trades", "Trades", Unit.COUNT, "positions opened and closed"),
            Metric("trades_per_day", "Trades per day", Unit.RATIO, "completed trades per trading day"),
            Metric("turnover_per_day", "Turnover per day", Unit.RATIO, "notional traded over equity, per trading day"),
            Metric("hit_rate", "Hit rate", Unit.PERCENT, "share of trades that made money"),
            Metric("profit_factor", "Profit factor", Unit.RATIO, "sum of gains over sum of losses"),
            Metric("expectancy_r", "Expectancy", Unit.R,
                   "mean net result of a trade in units of its initial risk, over trades with a stop", True),
            Metric("break_even_cost_frac", "Break-even cost", Unit.BASIS_POINTS,
                   "cost of a fill, as a share of its value, at which these trades would net zero", True),
        ),
    ),
)  # fmt: skip

_WORDS = {
    "end": "end of fold",
    "exit": "closed by the policy",
    "psr": "Probabilistic Sharpe",
    "dsr": "Deflated Sharpe",
    "reverse": "reversed by the policy",
    "risk": "closed by a risk limit",
    "stop_loss": "stop-loss",
    "take_profit": "take-profit",
    "trailing": "trailing stop",
    "volatility_targeted_buy_and_hold": "Vol-targeted buy and hold",
    "vol_targeted_buy_and_hold": "Vol-targeted buy and hold",
    "random_equal_turnover": "Random, equal turnover",
}


def in_words(name: str) -> str:
    """A file's name for something, as a reader would say it: `buy_and_hold` is `Buy and hold`."""
    words = name.replace("_", " ").strip()
    return _WORDS.get(name) or words[:1].upper() + words[1:]
