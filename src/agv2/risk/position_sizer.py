"""How large a position may be."""

import math
from typing import NamedTuple

from agv2.core.instruments import Market
from agv2.core.jit import kernel
from agv2.risk.config import RiskParams

__all__ = ["AccountView", "evidenced_units", "permitted_units", "target_units"]


class AccountView(NamedTuple):
    """What a book must know about the account it is part of; of itself alone, that is its own equity and zeros."""

    equity: float
    """Account equity, money."""
    other_notional: float
    """Gross notional that the account's other books hold or have pending."""
    other_positions: int
    """How many of the other books hold or have pending a position."""


@kernel
def target_units(equity: float, price: float, volatility: float, params: RiskParams) -> float:
    """Units whose value moves by the targeted volatility of the book's equity.

    Args:
        equity: of the book, money; nothing is bought with none.
        price: last close, > 0.
        volatility: causal per-bar volatility, log return, > 0.
        params: limits.

    Returns:
        Unsigned base units before any cap; halves when volatility doubles.

    Source: Moreira & Muir (2017), Journal of Finance 72(4), 1611-1644.
    """
    if equity <= 0.0:
        return 0.0
    return equity * params.target_volatility / volatility / price


@kernel
def evidenced_units(wanted: float, equity: float, price: float, volatility: float, params: RiskParams) -> float:
    """`wanted` units cut to what the evidence for an edge warrants: a share of the usual size, and the Kelly cap.

    Args:
        wanted: signed base units.
        equity: of the book, money; nothing is warranted without any.
        price: last close, > 0.
        volatility: causal per-bar volatility, log return, > 0.
        params: `evidence_scale` and `kelly_volatility`, from `risk.kelly`.

    Returns:
        Signed base units, never more than `wanted` in magnitude.

    Source: MacLean, Thorp & Ziemba (2010), Quantitative Finance 10(7), 681-687, for a fraction of Kelly.
    """
    if equity <= 0.0:
        return 0.0
    cap = equity * params.kelly_volatility / volatility / price
    return math.copysign(min(abs(wanted) * params.evidence_scale, cap), wanted)


@kernel
def permitted_units(
    wanted: float, equity: float, price: float, account: AccountView, params: RiskParams, market: Market
) -> float:
    """`wanted` units cut to the exposure cap and the venue's leverage; the lot grid comes after the policy's size.

    Args:
        wanted: signed base units.
        equity: of the book, money.
        price: last close, > 0.
        account: the account the book is part of.
        params: limits.
        market: leverage.

    Returns:
        Signed base units, never more than `wanted` in magnitude.
    """
    room = max(params.max_exposure * account.equity - account.other_notional, 0.0)
    cap = min(room, market.leverage * max(equity, 0.0)) / price
    return math.copysign(min(abs(wanted), cap), wanted)
