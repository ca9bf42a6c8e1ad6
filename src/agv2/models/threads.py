"""How many threads torch uses, for the length of a block."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["torch_threads"]


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads inside the block, as many as before after it.

    Small networks lose more to waiting for each other's threads than they gain, and the number of threads decides
    the order of sums: a result that is to be repeated bit for bit needs it fixed.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
