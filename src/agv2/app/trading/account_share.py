"""Several traders on one account, one a symbol: each has its seat, and they decide one after another."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from agv2.core.errors import ConfigError, DataError

__all__ = ["AccountShare"]

_LOOK_S = 0.05


class AccountShare:
    """One symbol's seat at one account, held while the block lasts, and the turn that all its traders share.

    Who decides reads what the account holds, and must not be overtaken before its own order is there to be read:
    else two symbols, deciding at the same close, would each take the room that is left for one. Both are locks on
    files, which a killed trader lets go of. Traders of other machines or homes are not seen.

    Args:
        folder: where the locks of all accounts lie.
        account: the broker's name of it.
        symbol: that is traded.
        patience_s: how long others may take for their turns before we decide without opening anything.

    Raises:
        ConfigError: another trader trades this symbol in this account.
        DataError: the locks cannot be written.
    """

    def __init__(self, folder: Path, account: str, symbol: str, patience_s: float = 30.0) -> None:
        self._account, self._symbol, self._patience_s = account, symbol, patience_s
        stem = _file_name(account)
        self._seat = FileLock(folder / f"{stem}.{_file_name(symbol)}.lock")
        self._turn = FileLock(folder / f"{stem}.turn.lock")

    def __enter__(self) -> Self:
        try:
            Path(self._seat.lock_file).parent.mkdir(parents=True, exist_ok=True)
            self._seat.acquire(timeout=0)
        except Timeout:
            raise ConfigError(
                f"another trader trades {self._symbol} in {self._account}: stop it first, or trade another symbol or "
                "account; two would close what the other opens"
            ) from None
        except OSError as error:
            raise DataError(f"{self._seat.lock_file}: cannot be written ({error.strerror})") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._seat.release()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[str]:
        """While the block lasts nobody else decides in this account; else why nothing may be opened."""
        until_s = time.monotonic() + self._patience_s
        while True:
            try:
                self._turn.acquire(timeout=0)
                break
            except Timeout:
                if time.monotonic() >= until_s:
                    yield f"another trader of {self._account} has been deciding for {self._patience_s:g} s"
                    return
                await asyncio.sleep(_LOOK_S)
        try:
            yield ""
        finally:
            self._turn.release()


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")
