"""The structured log of a trader, beside its journals."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from agv2.app.run_log import job_log
from agv2.app.trading.request import TradingRequest
from agv2.utils.environment import load_environment

__all__ = ["trading_log"]


@contextmanager
def trading_log(request: TradingRequest) -> Iterator[None]:
    """Append what is logged inside the block to `logs/paper.log` or `logs/live.log` of the project's home."""
    path = load_environment().home / "logs" / f"{request.mode}.log"
    identity = hashlib.sha256(repr(request).encode()).hexdigest()
    with job_log(path, request.mode, identity, {"bundle": str(request.bundle), "broker": request.broker}):
        yield
