"""The heads' linear parts, fitted alone before the network: a strong and almost free baseline to improve on."""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from agv2.models.bar_basis import LinearInputs
from agv2.models.config import EncoderConfig
from agv2.models.evidence_penalties import evidence_penalties
from agv2.models.heads import SHIFT_GAIN, MultiTaskHeads, ResidualHead
from agv2.models.losses import class_loss, pinball_loss
from agv2.models.training_rows import TrainingSeries

__all__ = ["PATTERN_BARS", "REGIME_BARS", "TURN_BARS", "fit_linear_parts"]

# Of weights on inputs of unit spread. On ten development files 10 to 100 did alike, 1 worse.
RIDGE = 30.0
REGIME_BARS, PATTERN_BARS, TURN_BARS = 24, 12, 48
"""Bars over which neighbours have almost the same target: the shortest regime, and as far as the other labels look."""
MOST_ROWS = 60_000  # more rows take longer and change nothing that could be measured
SMALLEST_SPREAD = 0.25  # of an input that hardly ever moves: scaled up, its next move would be a forecast of its own
ITERATIONS = 150  # 60 left a tenth of the gain on the table
HISTORY = 20


def fit_linear_parts(
    heads: MultiTaskHeads,
    series: Sequence[TrainingSeries],
    train: Sequence[range],
    config: EncoderConfig,
    inputs: LinearInputs | None = None,
) -> None:
    """Quantile regression, class and turn probabilities, linear in the basis of the bar's features; frozen afterwards.

    The network then learns what is left over. Trained together, the far larger network explains the training bars
    first and the linear part never gets to its optimum.

    Each head minimises its own mean loss plus `RIDGE` · bars · |weights|² / rows, where `bars` is how long neighbouring
    rows repeat the same target: so many rows count as one. Biases are free. Turns are fitted by log loss, which is
    convex in the weights as the Brier score is not, and best at the same probabilities. The centre of returns is almost
    all luck: its penalties are those at which the returns are likeliest, one a feature (`evidence_penalties`).

    Args:
        heads: started at the baseline, deep parts still zero; changed in place.
        series: the symbols.
        train: the training rows of each.
        config: horizons and quantile levels.
        inputs: features that the linear parts read; None for all, and no nearer level.

    Source: Koenker and Bassett (1978), Econometrica 46(1), 33-50; Hoerl and Kennard (1970), Technometrics 12(1), 55-67.
    """
    taught = _TaughtRows(series, train)
    bars, pattern = taught.column("features"), taught.column("pattern")
    every = inputs.every_head if inputs else np.ones(bars.shape[1], dtype=np.bool_)
    for_patterns = every
    if inputs:
        for_patterns = every | inputs.patterns_too
        heads.basis.read_nearest(inputs.nearest, bars[pattern >= 0])
    plain = heads.basis.columns(every, nearest=False)
    with_levels = heads.basis.columns(for_patterns, nearest=inputs is not None)
    basis = heads.basis(bars)
    for target in _targets(heads, taught, config):
        columns = with_levels if target.head is heads.pattern else plain
        known = target.known.nonzero().squeeze(-1)
        if len(known):
            _fit(target, basis[known][:, columns], columns, columns % heads.basis.n_inputs, known, taught.step)
    for head in (heads.quantile, heads.regime, heads.pattern, heads.level_map):
        head.linear.requires_grad_(False)


class _Target(NamedTuple):
    """One head and what it is to say."""

    head: ResidualHead
    known: Tensor
    """(n_rows,) where there is something to say."""
    bars: Tensor
    """(outputs,) or one number: over which neighbouring rows say the same."""
    loss: Callable[[Tensor, Tensor], Tensor]
    """Of (k, outputs) outputs for the rows (k,), the sum over what one row is asked."""
    centres: Mapping[int, "_Centre"] = MappingProxyType({})
    """Outputs that move the centre of what is forecast."""


class _Centre(NamedTuple):
    """What an output moves the centre of."""

    values: Tensor
    """(n_rows,), NaN where unknown."""
    curvature: float
    """Of the mean loss in the output, where the spread of the values is one."""


class _TaughtRows:
    """The training rows of all series, one after the other, every `step`-th of them."""

    def __init__(self, series: Sequence[TrainingSeries], train: Sequence[range]) -> None:
        self.step = max(1, -(-sum(len(rows) for rows in train) // MOST_ROWS))
        self._places = [(one, slice(rows.start, rows.stop, self.step)) for one, rows in zip(series, train, strict=True)]

    def column(self, name: str) -> Tensor:
        return torch.from_numpy(np.concatenate([getattr(one, name)[place] for one, place in self._places]))


def _targets(heads: MultiTaskHeads, taught: _TaughtRows, config: EncoderConfig) -> Iterator[_Target]:
    levels, horizons = torch.tensor(config.quantile_levels), torch.tensor(config.horizons)
    returns, reacted = taught.column("future").float(), taught.column("reacted")
    yield _Target(
        heads.quantile,
        ~returns.isnan().all(-1),
        horizons.repeat_interleave(1 + len(levels)),
        lambda outputs, rows: len(horizons) * pinball_loss(heads.quantiles_of(outputs), returns[rows], levels),
        _centres(returns, levels),
    )
    for head, name, bars in ((heads.regime, "regime", REGIME_BARS), (heads.pattern, "pattern", PATTERN_BARS)):
        labels, start = taught.column(name), heads.get_buffer(f"{name}_start")
        yield _Target(head, labels >= 0, torch.tensor(bars), functools.partial(_class_loss, labels, start))
    yield _Target(
        heads.level_map,
        (reacted >= 0).any(-1),
        torch.tensor(TURN_BARS),
        lambda outputs, rows: _turn_loss(heads.get_buffer("level_start") + outputs, reacted[rows]),
    )


def _centres(returns: Tensor, levels: Tensor) -> dict[int, _Centre]:
    """The output of each horizon that shifts all its quantiles at once, and what the loss of each row asks of it.

    That is one step of Newton's method from the unconditional quantiles: the slope of the pinball loss over its
    curvature, the density at each quantile, here that of a normal distribution. Unlike the return itself it is bounded.
    """
    normal = torch.distributions.Normal(0.0, 1.0)
    density = float(normal.log_prob(normal.icdf(levels)).exp().mean())  # type: ignore[no-untyped-call]
    centres = {}
    for horizon, values in enumerate(returns.unbind(-1)):
        known = values[~values.isnan()]
        if len(known):
            unconditional = torch.from_numpy(np.quantile(known.numpy(), levels.numpy())).float()
            asked = (levels - (values[:, None] < unconditional).float()).mean(-1) / density
            centre = _Centre(asked.where(~values.isnan(), math.nan), SHIFT_GAIN**2 * density)
            centres[horizon * (1 + len(levels)) + 1] = centre
    return centres


def _class_loss(labels: Tensor, start: Tensor, outputs: Tensor, rows: Tensor) -> Tensor:
    return class_loss(start + outputs, labels[rows])


def _turn_loss(logits: Tensor, reacted: Tensor) -> Tensor:
    known = (reacted >= 0).float()
    losses = functional.binary_cross_entropy_with_logits(logits, reacted.float(), known, reduction="none")
    return (losses.sum(0) / known.sum(0).clamp_min(1.0)).sum()


def _fit(target: _Target, inputs: Tensor, columns: Tensor, features: Tensor, rows: Tensor, step: int) -> None:
    """Set the weights of `columns`, (k,) of `features`, from their values, (n, k), in the rows that are known, (n,)."""
    linear = target.head.linear
    mean, spread = inputs.mean(0), inputs.std(0, correction=0).clamp_min(SMALLEST_SPREAD)
    scaled = (inputs - mean) / spread
    # Thinned rows repeat each other the less.
    bars = (target.bars / step).clamp_min(1.0)
    penalty = (RIDGE * bars / len(rows)).expand(len(columns), linear.out_features).clone()
    for output, centre in target.centres.items():
        _, groups = torch.unique(features, return_inverse=True)
        asked = centre.values[rows]
        told = ~asked.isnan()
        worth = evidence_penalties(scaled[told], asked[told], groups, float(bars[output]))
        penalty[:, output] = 0.5 * centre.curvature * worth * bars[output] / len(rows)
    weight = torch.zeros(len(columns), linear.out_features, requires_grad=True)
    bias = torch.zeros(linear.out_features, requires_grad=True)
    search = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, history_size=HISTORY, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        total = target.loss(scaled @ weight + bias, rows) + (penalty * weight.square()).sum()
        total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return total

    search.step(loss)  # type: ignore[no-untyped-call]  # likewise
    with torch.no_grad():
        linear.weight[:, columns] = (weight / spread[:, None]).T
        linear.bias.copy_(bias - (mean / spread) @ weight)
