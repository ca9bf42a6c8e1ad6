"""Teaches a policy which side to hold by the exact gradient of its expected reward.

An account moves no price. What each side may be expected to earn at every bar is therefore known in hindsight, and the
expected reward of a policy that chooses among three sides is a sum over the chain of positions: no sample, no
value network and no advantage estimate stands between the bars and the gradient. Sizes, stops and targets are not
part of it; they are left as they are for whoever trains on the whole simulator afterwards.
"""

from collections.abc import Sequence

import numpy as np
import torch

from agv2.core.arrays import FloatArray
from agv2.decision.action_mask import PERMISSION_FIELDS
from agv2.decision.actions import ACTION_NVEC
from agv2.decision.observation import BOOK_FIELDS
from agv2.models.policy import PolicyNetwork
from agv2.rl.config import HindsightConfig
from agv2.rl.expected_path import expected_path
from agv2.rl.position_chain import choice_gains
from agv2.rl.price_path import PATH_FIELDS
from agv2.rl.side_choices import SideInputs, side_log_probs

__all__ = ["fit_sides", "untaught_network"]

_KNOWN = ("volatility", "side", "exposure")
_WIDEST = 1.0  # logit of the largest size, stop and target over the others, before anything is learnt
_LAST_RATE = 0.1  # learning rate at the end, of that at the start


def untaught_network(n_observations: int, net_arch: tuple[int, ...], seed: int) -> PolicyNetwork:
    """A network that prefers no side and, once it has one, full size and the widest stop and target.

    Args:
        n_observations: width of the observation.
        net_arch: hidden widths.
        seed: of its first weights.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = PolicyNetwork(n_observations, sum(ACTION_NVEC), net_arch, net_arch)
        market = n_observations - len(BOOK_FIELDS)
        read = BOOK_FIELDS[: -len(PERMISSION_FIELDS)]
        unknown = [market + i for i, name in enumerate(read) if name not in _KNOWN]
        first = network.mlp_extractor.policy_net[0]
        assert isinstance(first, torch.nn.Linear)
        first.weight[:, unknown] = 0.0  # nothing is learnt of them here, so nothing may depend on them yet
        network.action_net.weight.zero_()
        network.action_net.bias.zero_()
        network.action_net.bias[np.cumsum(ACTION_NVEC)[1:] - 1] = _WIDEST
    return network


def fit_sides(
    network: PolicyNetwork,
    inputs: SideInputs,
    ranges: Sequence[range],
    risk_price: float,
    config: HindsightConfig,
    seed: int,
) -> FloatArray:
    """Train the policy stack of `network` in place.

    Args:
        network: reads scaled observations.
        inputs: all markets.
        ranges: rows of `inputs` to learn from; each is one stretch of one market, and no bar after it is read.
        risk_price: what holding a position costs per bar, in targeted volatilities.
        config: how.
        seed: of the stretches drawn.

    Returns:
        The path that was expected, without the price of risk.
    """
    expected = expected_path(inputs.paths, inputs.predicted, ranges)
    paths = expected.copy()
    paths[:, [PATH_FIELDS.index("long_nights"), PATH_FIELDS.index("short_nights")]] += risk_price
    generator = np.random.default_rng(seed)
    length = min([config.sequence_bars, *(len(one) - 1 for one in ranges)])
    starts = np.concatenate([np.arange(one.start, one.stop - length) for one in ranges])
    weights = [*network.mlp_extractor.policy_net.parameters(), *network.action_net.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=config.learning_rate, weight_decay=config.weight_decay)
    for step in range(1, config.steps + 1):
        bars = generator.choice(starts, config.sequences)[:, np.newaxis] + np.arange(length)
        index = torch.from_numpy(bars)
        log_probs = side_log_probs(network, inputs.rows[index], inputs.book[index])
        gains = np.empty(log_probs.shape, dtype=np.float32)
        choice_gains(log_probs.detach().numpy(), paths[bars], config.entropy, gains)
        loss = -(log_probs.exp() * torch.from_numpy(gains)).sum() / bars.size
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(weights, config.gradient_norm)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * (1.0 - (1.0 - _LAST_RATE) * step / config.steps)
        optimizer.step()
    return expected
