"""What an encoder says about every bar of a long history, kept on disk from one run to the next."""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from agv2.app.array_cache import ArrayCache, ArrayShape
from agv2.backtest.provenance import source_digest
from agv2.core.arrays import Float32Array
from agv2.models.embedding import embed_history
from agv2.models.head_outputs import HeadOutputs
from agv2.models.pretraining import PretrainedEncoder
from agv2.utils.config import config_digest

__all__ = ["EmbeddingCache"]

LEAST_BARS = 20_000
"""Shorter histories are embedded in a fraction of a second, whether or not they were before."""


@dataclass(frozen=True, slots=True)
class EmbeddingCache:
    """Entries in one directory.

    Attributes:
        directory: where they are; made when there is something to keep.
        limit_bytes: what they may take; the least recently used ones go. 0: nothing is read or kept.
        tell: told what could not be read or kept, a sentence each time.
    """

    directory: Path
    limit_bytes: int
    tell: Callable[[str], None]

    def outputs(
        self, pretrained: PretrainedEncoder, features: Float32Array, asset_class: int, symbol: str
    ) -> HeadOutputs:
        """`embed_history`, or memory maps of the same bits if it was asked for before.

        Args:
            pretrained: encoder and heads.
            features: (n_bars, n_features) normalised and finite.
            asset_class: of the market, its number in `ASSET_CLASSES`.
            symbol: for messages.

        Returns:
            One row a bar. Whatever is wrong with the disk is told, never an error.

        Raises:
            ShapeError, DataError: as `embed_history`.
        """

        def embedded(bars: Float32Array) -> list[Float32Array]:
            outputs = embed_history(pretrained.encoder, pretrained.heads, bars, asset_class)
            return [getattr(outputs, one.name) for one in fields(outputs)]

        if len(features) < LEAST_BARS:
            return HeadOutputs(*embedded(features))
        shapes = [ArrayShape(np.float32, (len(features), one.shape[1])) for one in embedded(features[:1])]
        cache = ArrayCache(self.directory, self.limit_bytes, ".embeddings")
        key = _key(pretrained, features, asset_class)
        found = cache.arrays(key, shapes, f"{symbol}: its embeddings", lambda: embedded(features))
        for problem in found.problems:
            self.tell(problem)
        return HeadOutputs(*found.arrays)


def _key(pretrained: PretrainedEncoder, features: Float32Array, asset_class: int) -> str:
    """Name of an entry: data, settings and weights, and what could make other bits of them."""
    machine = (_program(), torch.__version__, torch.get_num_threads(), torch.backends.cpu.get_cpu_capability())
    settings = config_digest({"encoder": pretrained.config.in_effect})
    digest = hashlib.sha256(repr((machine, settings, asset_class, features.shape)).encode())
    digest.update(np.ascontiguousarray(features).data)
    for name, weight in sorted(pretrained.arrays().items()):
        digest.update(f"{name} {weight.shape}".encode())
        digest.update(np.ascontiguousarray(weight).data)
    return digest.hexdigest()[:32]


@functools.cache
def _program() -> str:
    return source_digest()
