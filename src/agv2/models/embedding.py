"""Every bar of a history embedded in one pass."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from agv2.core.arrays import Float32Array
from agv2.core.errors import DataError, ShapeError
from agv2.models.encoder import StageOneEncoder
from agv2.models.head_outputs import HeadOutputs
from agv2.models.heads import MultiTaskHeads

__all__ = ["embed_history", "evaluating"]

CHUNK = 8192


def embed_history(
    encoder: StageOneEncoder,
    heads: MultiTaskHeads,
    features: Float32Array,
    asset_class: int = 0,
    chunk: int = CHUNK,
) -> HeadOutputs:
    """Embedding and predictions of every bar, equal to window-after-window inference within 1e-5.

    An `lstm` is the exception: its rows lie near those of its windows, and `pass_deviation` says how near.

    Args:
        encoder: trained encoder.
        heads: its heads.
        features: (n_bars, n_features) normalised and finite.
        asset_class: of the market, its number in `ASSET_CLASSES`.
        chunk: bars embedded at once; the `window - 1` bars before them are read again.

    Returns:
        One row a bar; all NaN if the history is shorter than the window.

    Raises:
        ShapeError: another number of features than the encoder was made for.
        DataError: a feature is not finite, named by row.

    Known at: the close of the bar each row belongs to.
    """
    _require_usable(encoder, features)
    n_bars, lead = len(features), encoder.window - 1
    outputs: list[tuple[Float32Array, ...]] = []
    kind = torch.tensor([asset_class])
    bars = torch.from_numpy(np.ascontiguousarray(features))
    with evaluating(encoder, heads), torch.inference_mode():
        for start in range(lead, max(n_bars, lead + 1), chunk):
            stop = min(start + chunk, n_bars)
            # A history shorter than the window runs once on zeros, to learn the widths of its NaN rows.
            window = bars[start - lead : stop] if stop > start else torch.zeros(lead + 1, encoder.n_features)
            embedding = encoder(window.unsqueeze(0), kind)[0]
            predictions = heads(embedding, window[lead:])
            outputs.append(tuple(part.numpy() for part in (embedding, *predictions.probabilities())))
    return HeadOutputs(*(_after_warmup(list(parts), n_bars, lead) for parts in zip(*outputs, strict=True)))


@contextmanager
def evaluating(*modules: nn.Module) -> Iterator[None]:
    """Modules without dropout inside the block, each part back in its own mode after it."""
    every = [part for module in modules for part in module.modules()]
    modes = [part.training for part in every]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        # Not `train(mode)`, which would hand a parent's mode down to its parts.
        for part, mode in zip(every, modes, strict=True):
            part.training = mode


def _after_warmup(parts: list[Float32Array], n_bars: int, lead: int) -> Float32Array:
    rows = np.full((n_bars, parts[0].shape[1]), np.nan, dtype=np.float32)
    if n_bars > lead:
        np.concatenate(parts, out=rows[lead:])
    return rows


def _require_usable(encoder: StageOneEncoder, features: Float32Array) -> None:
    if features.ndim != 2 or features.shape[1] != encoder.n_features:
        raise ShapeError(f"expected features of shape (n_bars, {encoder.n_features}), got {features.shape}")
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise DataError(f"features at row {int(np.argmin(finite))} are not finite: leave out the warm-up")
