"""Which positions the risk layer would let the policy have."""

from agv2.core.account import Account
from agv2.core.bars import Bar
from agv2.core.instruments import Market
from agv2.core.jit import kernel
from agv2.decision.actions import ACTION_NVEC, decode_action
from agv2.decision.planner import permitted_position
from agv2.risk.config import RiskParams
from agv2.risk.limits import RiskState
from agv2.risk.position_sizer import AccountView

__all__ = ["PERMISSION_FIELDS", "is_permitted"]

PERMISSION_FIELDS: tuple[str, ...] = ("flat_permitted", "long_permitted", "short_permitted")
"""The last numbers of an observation, one a choice of position, in the order of `decode_action`: 1 or 0."""

_LARGEST = ACTION_NVEC[1] - 1


@kernel
def is_permitted(
    position: int,
    book: Account,
    risk: RiskState,
    account: AccountView,
    bar: Bar,
    volatility: float,
    params: RiskParams,
    market: Market,
) -> bool:
    """Whether a wish for `position` would be carried out at some size.

    The planner itself is asked, with the largest size: there is no second body of any limit. A refused choice would do
    what another choice does, so a mask takes no possibility away; to keep what is held, or else to be flat, is always
    permitted.

    Args:
        position: index below `ACTION_NVEC[0]`.
        book: the account after `bar`.
        risk: the account's limits after `bar`.
        account: what the book must know of the rest of its account.
        bar: the bar that has just closed.
        volatility: causal per-bar volatility at `bar`, log return, > 0.
        params: limits.
        market: grids and leverage.

    Known at: the close of `bar`.
    """
    action = decode_action(position, _LARGEST, 0, 0)
    permitted = permitted_position(
        book, risk, account, action.side, action.size_frac, bar.close, volatility, params, market
    )
    return permitted.side == action.side
