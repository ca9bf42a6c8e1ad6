"""Storage of one rollout, shuffled by torch's generator alone."""

from collections.abc import Generator

import numpy as np
import torch
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from torch import Tensor

__all__ = ["TradingRolloutBuffer"]


class TradingRolloutBuffer(RolloutBuffer):
    """A rollout buffer that keeps its memory and draws minibatches with `torch.randperm`.

    Stable-Baselines3's own allocates anew for each rollout and shuffles with numpy's global generator, which an exact
    resume would have to reach into.
    """

    def reset(self) -> None:
        """Forget the rollout; the first call allocates."""
        if getattr(self, "observations", None) is None:
            super().reset()
        self.pos, self.full = 0, False

    def get(self, batch_size: int | None = None) -> Generator[RolloutBufferSamples, None, None]:
        """Minibatches of one epoch in a new random order."""
        assert self.full
        rows = self.buffer_size * self.n_envs
        flat = [
            _flat(array)
            for array in (
                self.observations, self.actions, self.values, self.log_probs, self.advantages, self.returns,
            )
        ]  # fmt: skip
        for batch in torch.split(torch.randperm(rows), batch_size or rows):
            yield RolloutBufferSamples(*(tensor[batch] for tensor in flat))


def _flat(array: np.ndarray) -> Tensor:
    """Steps and books as one axis; which comes first does not matter to a random order."""
    trailing = array.shape[2:]
    return torch.from_numpy(array.reshape(-1, *trailing))
