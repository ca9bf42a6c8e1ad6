"""A policy network that begins as a rule: the likeliest side is the rule's, and everything may be learnt from there."""

import math

import numpy as np
import torch
from torch import nn

from agv2.core.errors import ConfigError
from agv2.decision.action_mask import PERMISSION_FIELDS
from agv2.decision.actions import ACTION_NVEC
from agv2.decision.observation import BOOK_FIELDS
from agv2.models.policy import PolicyNetwork
from agv2.rl.expected_path import RowColumns, row_weights
from agv2.rl.input_scaling import InputScaling
from agv2.rl.side_rules import SideRule

__all__ = ["network_of_rule", "untaught_network"]

_WIDEST = 1.0  # logit of the largest size, stop and target over the others, before anything is learnt
_STEPPED = 8.0  # steepness at which a unit tells a side held from the others
_PER_NAT = 0.02  # worth, in targeted volatilities, that makes a side likelier by a factor of e
_UNITS = 3  # worth, long is held, short is held


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
        unknown = [market + i for i, name in enumerate(read) if name != "side"]
        _stack(network)[0].weight[:, unknown] = 0.0  # rules know no more of a book, so nothing may depend on it yet
        network.action_net.weight.zero_()
        network.action_net.bias.zero_()
        network.action_net.bias[np.cumsum(ACTION_NVEC)[1:] - 1] = _WIDEST
    return network


def network_of_rule(
    rule: SideRule, columns: RowColumns, scaling: InputScaling, net_arch: tuple[int, ...], seed: int
) -> PolicyNetwork:
    """A network whose likeliest side is the one that `rule` takes.

    Three units of each hidden layer carry the rule: a bent worth, and whether a long or a short is held. The others
    are drawn at random and heard by nobody until they are taught.

    Args:
        rule: to begin with.
        columns: of the market rows.
        scaling: of the observation that the network reads.
        net_arch: hidden widths, at least three units each.
        seed: of the other units.

    Raises:
        ConfigError: a hidden layer is too narrow.
    """
    if not net_arch or min(net_arch) < _UNITS:
        raise ConfigError(
            f"rl_policy.net_arch is {list(net_arch)}: the first lessons need hidden layers of {_UNITS} units or more; "
            "widen it, or set rl_policy.hindsight to null"
        )
    network = untaught_network(scaling.mean.size + len(PERMISSION_FIELDS), net_arch, seed)
    width = scaling.mean.size + len(PERMISSION_FIELDS) - len(BOOK_FIELDS)
    side = width + BOOK_FIELDS.index("side")
    weights = row_weights(rule.worth.weights, columns, width)
    mean, factor = scaling.mean[:width].astype(np.float64), scaling.factor[:width].astype(np.float64)
    read = np.divide(weights, factor, out=np.zeros(width), where=factor > 0.0)
    apart = float(weights @ mean - rule.worth.weights @ rule.worth.centre)
    slope = 0.5 / (rule.spread or 1.0)  # a usual worth lies where a hidden unit is hardly bent
    first, *others = _stack(network)
    with torch.no_grad():
        first.weight[:_UNITS] = 0.0
        first.weight[0, :width] = torch.from_numpy((slope * read).astype(np.float32))
        first.weight[1, side], first.weight[2, side] = _STEPPED, -_STEPPED
        first.bias[:_UNITS] = torch.tensor([slope * apart, -0.5 * _STEPPED, -0.5 * _STEPPED])
        for layer in others:
            layer.weight[:_UNITS] = 0.0
            layer.bias[:_UNITS] = 0.0
            for unit, gain in enumerate((1.0, _STEPPED, _STEPPED)):
                layer.weight[unit, unit] = gain
        enter, leave = (_bent(slope * worth, len(net_arch), 1.0) for worth in (rule.enter, rule.leave))
        held = _bent(0.5 * _STEPPED, len(net_arch), _STEPPED)  # what a unit says that hears its own side, else minus it
        sharp = 1.0 / (_PER_NAT * slope)
        own = sharp * (enter - leave) / (2.0 * held)
        action = network.action_net
        action.weight[1, 0], action.weight[1, 1] = sharp, own
        action.weight[2, 0], action.weight[2, 2] = -sharp, own
        action.bias[1:3] = -sharp * (enter + leave) / 2.0
    return network


def _stack(network: PolicyNetwork) -> list[nn.Linear]:
    return [layer for layer in network.mlp_extractor.policy_net if isinstance(layer, nn.Linear)]


def _bent(value: float, n_layers: int, gain: float) -> float:
    """What hidden layers make of a number that each multiplies by `gain` and bends."""
    for layer in range(n_layers):
        value = math.tanh(value * (gain if layer else 1.0))
    return value
