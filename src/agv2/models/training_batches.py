"""Chunks of history, drawn at random for training, with whole bars hidden in some of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agv2.core.arrays import BoolArray
from agv2.models.config import EncoderConfig
from agv2.models.training_rows import TrainingSeries

__all__ = ["Batch", "masked_spans", "training_batch"]


class Batch(NamedTuple):
    """Chunks of C rows with the `window - 1` bars before each: T = C + window - 1.

    Attributes:
        features: (B, T, F) as they are, before masking.
        masked: (B, T) True where the encoder is shown the mask instead of the bar.
        returns: (B, C, H) float32 forward returns in σ·√h, NaN where unknown.
        regime: (B, C) class numbers, -1 where unknown.
        pattern: (B, C) class numbers, -1 where unknown.
        reacted: (B, C, bands) 1, 0, or -1 where unknown.
        asset_class: (B,) number of the class of each chunk's market.
    """

    features: Tensor
    masked: Tensor
    returns: Tensor
    regime: Tensor
    pattern: Tensor
    reacted: Tensor
    asset_class: Tensor


def masked_spans(n_bars: int, ratio: float, span: int, generator: np.random.Generator) -> BoolArray:
    """(n_bars,) True in spans of exactly `span` bars, one at a random place in every slot of `span / ratio` bars.

    Spans neither touch nor reach either end, so the bar before and the bar after each are visible.
    """
    masked = np.zeros(n_bars, dtype=np.bool_)
    if ratio <= 0.0:
        return masked
    slot = max(int(span / ratio), span + 2)
    for start in range(0, n_bars - slot + 1, slot):
        first = start + 1 + int(generator.integers(slot - span - 1))
        masked[first : first + span] = True
    return masked


def training_batch(
    series: Sequence[TrainingSeries], rows: Sequence[range], config: EncoderConfig, generator: np.random.Generator
) -> Batch:
    """One random batch.

    Args:
        series: training bars of each symbol.
        rows: the rows of each that may teach; nothing after a range's last row is read but that row's targets.
        config: chunk length, chunks per batch and masking.
        generator: the only source of chance.

    Returns:
        Chunks of one length; a chunk's symbol is drawn in proportion to its rows, its place so that the ends of the
        history are not seen less often than the middle, and `masked_chunks` of the chunks have masked spans.
    """
    counts = np.array([len(one) for one in rows], dtype=np.float64)
    length = min(config.chunk, int(counts.max()))
    chunks = []
    for which in generator.choice(len(series), size=config.batch_chunks, p=counts / counts.sum()):
        allowed = rows[which]
        start = int(generator.integers(allowed.start - length // 2, allowed.stop - length // 2))
        start = max(min(start, allowed.stop - length), allowed.start)
        place = range(start, min(start + length, allowed.stop))
        ratio = config.mask_ratio if generator.random() < config.masked_chunks else 0.0
        masked = masked_spans(config.window - 1 + len(place), ratio, config.mask_span, generator)
        chunks.append(_chunk(series[which], place, length, masked, config))
    return Batch(*(torch.stack(parts) for parts in zip(*chunks, strict=True)))


def _chunk(one: TrainingSeries, rows: range, length: int, masked: BoolArray, config: EncoderConfig) -> Batch:
    # A series shorter than the chunk is filled up with rows that have no targets.
    missing = length - len(rows)
    returns = one.future[rows.start : rows.stop].astype(np.float32)
    regime, pattern, reacted = (
        torch.from_numpy(_filled(labels[rows.start : rows.stop], missing))
        for labels in (one.regime, one.pattern, one.reacted)
    )
    return Batch(
        features=torch.from_numpy(
            np.pad(one.features[rows.start - config.window + 1 : rows.stop], ((0, missing), (0, 0)))
        ),
        masked=torch.from_numpy(np.pad(masked, (0, missing))),
        returns=torch.from_numpy(np.pad(returns, ((0, missing), (0, 0)), constant_values=np.nan)),
        regime=regime,
        pattern=pattern,
        reacted=reacted,
        asset_class=torch.tensor(one.asset_class),
    )


def _filled(labels: NDArray[Any], missing: int) -> NDArray[Any]:
    """Labels and `missing` unknown ones after them."""
    return np.pad(labels, ((0, missing), *((0, 0) for _ in labels.shape[1:])), constant_values=-1)
