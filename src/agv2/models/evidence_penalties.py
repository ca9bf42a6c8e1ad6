"""How much of each input a linear forecast should believe, told by the very rows that it is fitted on."""

import torch
from torch import Tensor

__all__ = ["evidence_penalties"]

ROUNDS = 30  # more change nothing in the third digit of what is forecast
LEAST, MOST = 1.0, 5e4  # rows that a penalty is worth; what says nothing is still read a little
_SMALLEST = 1e-12


def evidence_penalties(inputs: Tensor, target: Tensor, groups: Tensor, bars: float) -> Tensor:
    """(k,) ridge penalties at which the targets are likeliest, one a group of inputs.

    The weights of a group are taken as drawn from one normal distribution, of the width that makes the targets
    likeliest with the weights integrated out. A group that says nothing gets a width near zero, so a forecast of what
    is almost all luck (the direction of a price) does not learn the luck of hundreds of inputs by heart.

    Args:
        inputs: (n, k), n >= 1; their means and that of the target do not count.
        target: (n,).
        groups: (k,) number of each input's group, 0 … n_groups - 1.
        bars: over which neighbouring rows repeat the same target; so many count as one.

    Returns:
        What goes on the diagonal of `inputs.T @ inputs / bars`, of inputs without their means.

    Source: MacKay (1992), Neural Computation 4(3), 415-447, sections 3 to 5 and 6.1 for several groups.
    """
    rows, centred = (one.double() - one.double().mean(0) for one in (inputs, target))
    gram, moment = rows.T @ rows / bars, rows.T @ centred / bars
    square, n_independent = centred.square().sum() / bars, len(centred) / bars
    n_groups = int(groups.max()) + 1
    sizes = torch.bincount(groups, minlength=n_groups).double()
    noise = square / n_independent
    # All inputs together begin with a share of one in the variance of the target.
    spread = torch.full((n_groups,), float(noise) / len(groups), dtype=torch.float64).clamp_min(_SMALLEST)
    for _ in range(ROUNDS):
        penalties = (noise / spread).clamp(LEAST, MOST)
        covered = torch.linalg.inv(gram + torch.diag(penalties[groups]))
        weights = covered @ moment
        in_use = sizes - penalties * _sums(covered.diagonal(), groups, n_groups)
        spread = (_sums(weights.square(), groups, n_groups) / in_use.clamp_min(_SMALLEST)).clamp_min(_SMALLEST)
        left = square - 2.0 * weights @ moment + weights @ gram @ weights
        noise = left.clamp_min(0.0) / (n_independent - in_use.sum()).clamp_min(1.0)
    return (noise / spread).clamp(LEAST, MOST)[groups]


def _sums(values: Tensor, groups: Tensor, n_groups: int) -> Tensor:
    return torch.zeros(n_groups, dtype=values.dtype).index_add(0, groups, values)
