"""Tasks for tests of pools: functions of a module, as workers can name them."""

import os
import signal
import time
from pathlib import Path

import structlog
import torch

from agv2.app.workers.tasks import Workplace
from agv2.core.errors import DataError


def summed(place: Workplace[int], numbers: list[int], more: int) -> int:
    place.telling.update(0.5, "half way")
    return place.shared + sum(numbers) + more


def told(place: Workplace[int], text: str) -> int:
    place.telling.note(text)
    structlog.get_logger().warning("something seen", what=text)
    return torch.get_num_threads()


def failing(place: Workplace[int]) -> int:
    raise DataError("bars.parquet: row 7: no such price; correct it")


def killed_once(place: Workplace[int], mark: Path) -> int:
    """The first process that does this is killed by SIGKILL in the middle of it."""
    attempts = len(mark.read_text()) if mark.exists() else 0
    mark.write_text("x" * (attempts + 1))
    if attempts == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return attempts + 1


def killed_always(place: Workplace[int]) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def endless(place: Workplace[int], mark: Path) -> int:
    mark.write_text(str(os.getpid()))
    time.sleep(600)
    return 0
