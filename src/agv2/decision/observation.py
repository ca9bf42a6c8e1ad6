"""What the policy sees: one row of float32, in named slices."""

import math
from dataclasses import dataclass

from agv2.core.account import Account, equity
from agv2.core.arrays import Float32Array
from agv2.core.bars import Bar
from agv2.core.instruments import Market
from agv2.core.jit import kernel
from agv2.decision.action_mask import PERMISSION_FIELDS, is_permitted
from agv2.risk.config import RiskParams
from agv2.risk.limits import RiskState, is_halted
from agv2.risk.position_sizer import AccountView

__all__ = ["BOOK_FIELDS", "ObservationLayout", "write_observation"]

BOOK_FIELDS: tuple[str, ...] = (
    "volatility",
    "side",
    "exposure",
    "unrealised_r",
    "bars_held",
    "stop_distance",
    "target_distance",
    "drawdown",
    "daily_loss_used",
    "cooldown",
    "halted",
    *PERMISSION_FIELDS,
)
"""The part of an observation that depends on the book, in order; what comes before it depends on the market.

Permissions are last. Networks do not read them: they mask choices of position.
"""

_CLIP = 10.0


@dataclass(frozen=True, slots=True)
class ObservationLayout:
    """Sizes of the named slices of an observation."""

    embedding: int
    quantiles: int
    regime: int
    pattern: int
    levels: int
    """Bands around the close, each with the probability that price turns there."""

    @property
    def market_size(self) -> int:
        """Numbers that depend on the market alone and can be computed before any book exists."""
        return self.embedding + self.quantiles + self.regime + self.pattern + self.levels

    @property
    def size(self) -> int:
        """Length of an observation."""
        return self.market_size + len(BOOK_FIELDS)

    def slices(self) -> dict[str, tuple[int, int]]:
        """Name → first and past-the-last index of every slice, in order."""
        market = ("embedding", "quantiles", "regime", "pattern", "levels")
        sizes = [(name, getattr(self, name)) for name in market] + [(name, 1) for name in BOOK_FIELDS]
        found, start = {}, 0
        for name, length in sizes:
            found[name] = (start, start + length)
            start += length
        return found


@kernel
def write_observation(
    out: Float32Array,
    market_row: Float32Array,
    book: Account,
    risk: RiskState,
    account: AccountView,
    bar: Bar,
    volatility: float,
    params: RiskParams,
    market: Market,
) -> None:
    """Fill `out` with what the policy may know at the close of `bar`.

    Args:
        out: (market size + len(BOOK_FIELDS),) row to write.
        market_row: (market size,) embedding and head predictions at `bar`.
        book: the account after `bar`.
        risk: the account's limits after `bar`.
        account: what the book must know of the rest of its account.
        bar: the bar that has just closed.
        volatility: causal per-bar volatility at `bar`, log return, > 0.
        params: limits.
        market: grids and leverage.

    Known at: the close of `bar`.
    """
    n = market_row.size
    out[:n] = market_row
    unit = volatility * bar.close
    value = equity(book)
    side = 0.0
    if book.units != 0.0:
        side = 1.0 if book.units > 0.0 else -1.0
    out[n] = _clip(math.log(volatility / params.target_volatility))
    out[n + 1] = side
    out[n + 2] = _clip(book.units * bar.close / value) if value > 0.0 else 0.0
    out[n + 3] = 0.0
    if book.initial_risk > 0.0:
        out[n + 3] = _clip(side * (bar.close - book.entry_price) / book.initial_risk)
    out[n + 4] = math.log1p(book.bars_held) / 4.0
    out[n + 5] = _clip(side * (bar.close - book.stop_loss) / unit / 4.0) if book.stop_loss > 0.0 else 0.0
    out[n + 6] = _clip(side * (book.take_profit - bar.close) / unit / 4.0) if book.take_profit > 0.0 else 0.0
    out[n + 7] = _clip((1.0 - _value_frac(risk.last_equity, risk.peak_equity)) / params.drawdown_frac)
    out[n + 8] = _clip((1.0 - _value_frac(risk.last_equity, risk.day_start_equity)) / params.daily_loss_frac)
    out[n + 9] = 0.0
    if params.cooldown_bars > 0 and book.bars_flat <= params.cooldown_bars:
        out[n + 9] = 1.0 - book.bars_flat / (params.cooldown_bars + 1.0)
    out[n + 10] = 1.0 if is_halted(risk) else 0.0
    for position in range(len(PERMISSION_FIELDS)):
        permitted = is_permitted(position, book, risk, account, bar, volatility, params, market)
        out[n + 11 + position] = 1.0 if permitted else 0.0


@kernel
def _value_frac(now: float, before: float) -> float:
    """`now` as a fraction of `before`; 0 when nothing was there."""
    return now / before if before > 0.0 else 0.0


@kernel
def _clip(value: float) -> float:
    return min(max(value, -_CLIP), _CLIP)
