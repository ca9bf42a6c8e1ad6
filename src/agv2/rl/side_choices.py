"""The policy's choice of a side, for every bar and every side that may be held there, in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from agv2.backtest.tape import MarketTape
from agv2.core.arrays import FloatArray, IntArray
from agv2.decision.actions import ACTION_NVEC
from agv2.decision.observation import BOOK_FIELDS
from agv2.models.policy import PolicyNetwork
from agv2.rl.expected_path import RowColumns, forecasts
from agv2.rl.input_scaling import InputScaling
from agv2.rl.price_path import price_path

__all__ = ["SideInputs", "side_inputs", "side_log_probs"]

_VOLATILITY, _SIDE, _EXPOSURE = (BOOK_FIELDS.index(name) for name in ("volatility", "side", "exposure"))
_CLIP = 10.0  # as `write_observation` clips


@dataclass(frozen=True, slots=True)
class SideInputs:
    """All bars of all markets, one after another."""

    rows: Tensor
    """(n, market size) scaled market rows; zeros where nothing is known."""
    book: Tensor
    """(n, 2) the observation's `volatility`, and the `exposure` of a full-size long."""
    paths: FloatArray
    """(n, 5) `price_path`."""
    predicted: FloatArray
    """(n, k) `forecasts`; NaN where nothing is known."""
    starts: IntArray
    """(n_tapes,) where each market begins."""


def side_inputs(tapes: Sequence[MarketTape], scaling: InputScaling, columns: RowColumns | None = None) -> SideInputs:
    """Prepare `tapes`.

    Args:
        tapes: the markets.
        scaling: of what is read.
        columns: of their market rows; None: each is a forecast.
    """
    rows, book = [], []
    for tape in tapes:
        width = tape.market_rows.shape[1]
        rows.append(np.nan_to_num((tape.market_rows - scaling.mean[:width]) * scaling.factor[:width]))
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = tape.volatility / tape.params.target_volatility
            volatility = np.clip(np.log(relative), -_CLIP, _CLIP)
            exposure = np.minimum(1.0 / relative, min(tape.params.max_exposure, tape.market.leverage))
        book.append(np.nan_to_num(np.stack([volatility, np.minimum(exposure, _CLIP)], axis=1)))
    starts = np.concatenate([[0], np.cumsum([tape.bars.size for tape in tapes])[:-1]]).astype(np.int64)
    return SideInputs(
        torch.from_numpy(np.concatenate(rows).astype(np.float32)),
        torch.from_numpy(np.concatenate(book).astype(np.float32)),
        np.concatenate([price_path(tape) for tape in tapes]),
        np.concatenate([forecasts(tape.market_rows, columns or RowColumns()) for tape in tapes]),
        starts,
    )


def side_log_probs(network: PolicyNetwork, rows: Tensor, book: Tensor) -> Tensor:
    """(..., 3, 3) log-probability of choosing flat, long or short (last axis) when flat, long or short is held.

    Of the book the network is told its volatility, side and exposure; the rest is zero.

    Args:
        network: reads scaled observations.
        rows: (..., market size) scaled.
        book: (..., 2) as in `SideInputs`.
    """
    first, *rest = network.mlp_extractor.policy_net
    width = rows.shape[-1]
    assert isinstance(first, torch.nn.Linear)
    weight = first.weight[:, width:]
    flat = torch.nn.functional.linear(rows, first.weight[:, :width], first.bias)
    flat = flat + book[..., :1] * weight[:, _VOLATILITY]
    held = weight[:, _SIDE] + book[..., 1:] * weight[:, _EXPOSURE]
    hidden = torch.stack([flat, flat + held, flat - held], dim=-2)
    for layer in rest:
        hidden = layer(hidden)
    n_sides = ACTION_NVEC[0]
    action = network.action_net
    logits = torch.nn.functional.linear(hidden, action.weight[:n_sides], action.bias[:n_sides])
    return logits.log_softmax(dim=-1)
