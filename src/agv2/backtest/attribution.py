"""What a decision came from: gradients along the way from an average bar, and the attention of a transformer.

Both look inside a network; `backtest.erasure` asks it from outside and is what they are checked against.
"""

import warnings
from typing import cast

import numpy as np
import torch
from torch import Tensor

from agv2.backtest.input_shares import InputShares
from agv2.core.arrays import Float32Array, FloatArray
from agv2.models.encoder import StageOneEncoder
from agv2.models.side_odds import SideOdds

__all__ = ["TOLERANCE", "attention_rollout", "integrated_gradients"]

TOLERANCE = 0.03
"""Share of a decision's log-odds that the integral may miss."""

_FEWEST_STEPS, _MOST_STEPS, _STEPS_AT_ONCE = 16, 256, 16
_LEAST = 0.1  # log-odds: of less than that nobody asks for a part


def integrated_gradients(
    odds: SideOdds, window: Float32Array, state: Float32Array, tolerance: float = TOLERANCE
) -> InputShares:
    """Share of every feature of every bar in the log-odds of a decision, through encoder, heads and policy.

    The way goes in a straight line from the baseline, a window of normalised zeros, which is the mean of the training
    bars at every bar, and a book that is flat, unharmed and at the targeted volatility. A difference from that is what
    there is to explain. The shares sum to the difference of the log-odds, but for the integral's error.

    Args:
        odds: log-odds of the decision's position.
        window: (L, F) normalised features that end with the decision's bar.
        state: (S,) of the book, the observation's book fields without the permissions.
        tolerance: gap that is good enough, as a share of the difference (of 0.1 where that is smaller). The points of
            the Gauss-Legendre rule are doubled from 16 until it is reached, or there are 256 of them.

    Source: Sundararajan, Taly and Yan (2017), ICML, arXiv:1703.01365; by captum.
    """
    with warnings.catch_warnings():
        # It imports tqdm's bar for notebooks, which regrets in every notebook that a widget is missing.
        warnings.filterwarnings("ignore", message="IProgress not found")
        from captum.attr import IntegratedGradients  # brings matplotlib along: a second that only this pays

    inputs = tuple(torch.from_numpy(np.array(one[np.newaxis])).requires_grad_() for one in (window, state))
    baselines = tuple(torch.zeros_like(one) for one in inputs)
    with torch.no_grad():
        whole, base = (float(odds(*one)[0]) for one in (inputs, baselines))
    steps, found = _FEWEST_STEPS, None
    while found is None or (abs(found.gap) > tolerance * max(abs(whole - base), _LEAST) and steps <= _MOST_STEPS):
        shares = IntegratedGradients(odds).attribute(
            inputs, baselines=baselines, n_steps=steps, method="gausslegendre", internal_batch_size=_STEPS_AT_ONCE
        )
        of_window, of_state = (cast(Tensor, one)[0].detach().double().numpy() for one in shares)
        found, steps = InputShares(of_window, of_state, whole, base), 2 * steps
    return found


def attention_rollout(encoder: StageOneEncoder, window: Float32Array, asset_class: int = 0) -> FloatArray:
    """Share of each bar of a window in what a transformer's last bar reads.

    In each layer half of a bar comes from the bars it attends to, by the mean of the heads, and half is itself, as
    the residual path has it; the layers are multiplied. It says where the encoder looked, not what came of it.

    Args:
        encoder: with the backbone `transformer`.
        window: (L, F) normalised features.
        asset_class: of the market, its number in `ASSET_CLASSES`.

    Returns:
        (L,) shares, >= 0, that sum to 1.

    Raises:
        ConfigError: the backbone has no attention.

    Source: Abnar and Zuidema (2020), ACL, arXiv:2005.00928.
    """
    bars = torch.from_numpy(np.ascontiguousarray(window)).unsqueeze(0)
    with torch.inference_mode():
        layers = encoder.attention_weights(bars, torch.tensor([asset_class]))
    shares = np.ones(1)
    for weights in reversed(layers):
        attended = weights[0].double().mean(dim=0).numpy()  # (rows, band), the bar itself last
        rows, band = attended.shape
        below = np.zeros(rows + band - 1)
        for row in range(rows):
            below[row : row + band] += 0.5 * shares[row] * attended[row]
        below[band - 1 :] += 0.5 * shares
        shares = below
    return shares
