"""Several traders on one account: a seat a symbol, and a turn at a time."""

import asyncio
from pathlib import Path

import pytest

from agv2.app.trading.account_share import AccountShare
from agv2.core.errors import ConfigError

ACCOUNT = "TradeLocker DEMO 812345"


def a_share(folder: Path, symbol: str, patience_s: float = 30.0) -> AccountShare:
    return AccountShare(folder / "accounts", ACCOUNT, symbol, patience_s)


def test_a_symbol_of_an_account_has_one_trader(tmp_path: Path) -> None:
    with a_share(tmp_path, "EURUSD"):
        with (
            pytest.raises(ConfigError, match="another trader trades EURUSD in TradeLocker DEMO 812345"),
            a_share(tmp_path, "EURUSD"),
        ):
            pass
        with a_share(tmp_path, "XAUUSD"), AccountShare(tmp_path / "accounts", "TradeLocker DEMO 7", "EURUSD"):
            pass
    with a_share(tmp_path, "EURUSD"):
        pass


async def test_two_symbols_of_an_account_never_decide_at_once(tmp_path: Path) -> None:
    deciding, most = 0, 0

    async def decide(symbol: str) -> None:
        nonlocal deciding, most
        with a_share(tmp_path, symbol) as share:
            for _ in range(3):
                async with share.turn() as wait:
                    assert wait == ""
                    deciding += 1
                    most = max(most, deciding)
                    await asyncio.sleep(0.01)
                    deciding -= 1

    await asyncio.gather(decide("EURUSD"), decide("XAUUSD"))
    assert most == 1


async def test_who_waits_too_long_for_its_turn_is_told_and_goes_on(tmp_path: Path) -> None:
    slow, other = a_share(tmp_path, "EURUSD"), a_share(tmp_path, "XAUUSD", patience_s=0.1)
    async with slow.turn():
        async with other.turn() as wait:
            assert "another trader of TradeLocker DEMO 812345 has been deciding" in wait
        async with other.turn() as again:
            assert again
    async with other.turn() as wait:
        assert wait == ""
