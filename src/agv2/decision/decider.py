"""One pass down the decision path: observation, policy, risk, order."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from agv2.core.account import Account
from agv2.core.arrays import Float32Array, FloatArray, IntArray
from agv2.core.bars import Bar
from agv2.core.instruments import Market
from agv2.decision.actions import Action, decode_action
from agv2.decision.observation import BOOK_FIELDS, write_observation
from agv2.decision.planner import Plan, plan_order
from agv2.risk.config import RiskParams
from agv2.risk.level_stop import NearLevels
from agv2.risk.limits import RiskState
from agv2.risk.position_sizer import AccountView
from agv2.utils.tracing import step

__all__ = ["Decider", "Decision", "Policy", "PolicyOutput"]


class PolicyOutput(NamedTuple):
    """A policy's answer to a batch of observations."""

    actions: IntArray
    """(n, 4) indices below `ACTION_NVEC`."""
    entropy: FloatArray
    """(n,) nats, summed over the four choices."""
    values: FloatArray
    """(n,) estimated return; 0 where the policy has no such estimate."""


class Policy(Protocol):
    """Whoever evaluates the network: torch in research, ONNX Runtime in service.

    An observation ends with `PERMISSION_FIELDS`; the networks themselves never choose a position that is refused.
    """

    def act(self, observations: Float32Array) -> PolicyOutput:
        """Answer each row of `observations` (n, size), with no randomness."""
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided at the close of a bar, and on what grounds."""

    ts_ns: int
    """Open time of the bar."""
    observation: Float32Array
    action: Action
    plan: Plan
    entropy: float
    value: float


@dataclass(frozen=True, slots=True)
class Decider:
    """Turns the state of one book into a decision; holds no memory of its own."""

    policy: Policy
    params: RiskParams
    market: Market

    def decide(
        self,
        book: Account,
        risk: RiskState,
        account: AccountView,
        bar: Bar,
        volatility: float,
        levels: NearLevels,
        market_row: Float32Array,
        order_id: int,
    ) -> Decision:
        """Decide at the close of `bar`.

        Args:
            book: the account after `bar`, its stop trailed.
            risk: the account's limits after `bar`.
            account: what the book must know of the rest of its account.
            bar: the bar that has just closed.
            volatility: causal per-bar volatility at `bar`.
            levels: nearest support and resistance at `bar`.
            market_row: (market size,) embedding and head predictions at `bar`.
            order_id: identity of a new order.

        Returns:
            The decision; its plan's order fills at the next open at the earliest.
        """
        observation = np.empty(market_row.size + len(BOOK_FIELDS), dtype=np.float32)
        write_observation(observation, market_row, book, risk, account, bar, volatility, self.params, self.market)
        with step("policy"):
            output = self.policy.act(observation[np.newaxis])
        action = decode_action(*(int(choice) for choice in output.actions[0]))
        with step("risk"):
            plan = plan_order(book, risk, account, action, bar, volatility, levels, self.params, self.market, order_id)
        return Decision(bar.ts_ns, observation, action, plan, float(output.entropy[0]), float(output.values[0]))
