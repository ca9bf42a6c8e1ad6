"""A fake venue to try a client against by hand: `python -m agv2.tradelocker.fake --port 8765`."""

import argparse
import sys
from decimal import Decimal

import numpy as np

from agv2.core.bars import Bars
from agv2.core.timeframes import Timeframe
from agv2.tradelocker.fake.listings import FakeLogin, Listing
from agv2.tradelocker.fake.server import FakeTradeLocker
from agv2.utils.clock import Clock, SystemClock

__all__ = ["main"]

_MINUTE_NS = 60_000_000_000
_PAST_MINUTES = 30 * 1440
_FUTURE_MINUTES = 7 * 1440
_START_PRICES = {"ETHUSD": 2500.0, "BTCUSD": 60_000.0, "XAUUSD": 2400.0}


class _FasterClock:
    """Runs `speed` times as fast as the machine's clock, from now on."""

    def __init__(self, wall: Clock, speed: float) -> None:
        self._wall, self._speed, self._start_ns = wall, speed, wall.now_ns()

    def now_ns(self) -> int:
        return self._start_ns + int((self._wall.now_ns() - self._start_ns) * self._speed)

    def sleep_until(self, ts_ns: int) -> None:
        self._wall.sleep_until(self._start_ns + int((ts_ns - self._start_ns) / self._speed))


def main(arguments: list[str] | None = None) -> None:
    """Serve random walks of 1m bars, a month past and a week ahead, until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m agv2.tradelocker.fake", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--speed", type=float, default=1.0, help="venue seconds per second")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--symbol", nargs="+", default=list(_START_PRICES), help="names to list")
    chosen = parser.parse_args(arguments)
    clock, rng = SystemClock(), np.random.default_rng(chosen.seed)
    listings = [_random_walk(symbol, clock.now_ns(), chosen.speed, rng) for symbol in chosen.symbol]
    login = FakeLogin()
    with FakeTradeLocker(listings, clock=_FasterClock(clock, chosen.speed), logins=[login], port=chosen.port) as fake:
        sys.stdout.write(
            f"TL_ENVIRONMENT={fake.url}\nTL_EMAIL={login.email}\nTL_PASSWORD={login.password}\n"
            f"TL_SERVER={login.server}\nTL_ACC_NUM={login.accounts[0].acc_num}\n"
        )
        sys.stdout.flush()
        try:
            while True:
                clock.sleep_until(clock.now_ns() + 60 * _MINUTE_NS)
        except KeyboardInterrupt:
            sys.stdout.write(f"{len(fake.requests)} requests, {len(fake.orders())} orders\n")


def _random_walk(symbol: str, now_ns: int, speed: float, rng: np.random.Generator) -> Listing:
    n_bars = _PAST_MINUTES + int(_FUTURE_MINUTES * max(1.0, speed))
    first_ns = (now_ns // _MINUTE_NS - _PAST_MINUTES) * _MINUTE_NS
    start = _START_PRICES.get(symbol, 100.0)
    close = np.round(start * np.exp(np.cumsum(rng.normal(0.0, 3e-4, n_bars))), 2)
    opens = np.concatenate([[start], close[:-1]])
    reach = np.round(np.abs(rng.normal(0.0, 2e-4, (2, n_bars))) * close, 2)
    bars = Bars(
        symbol=symbol,
        timeframe=Timeframe(1),
        ts_ns=first_ns + np.arange(n_bars, dtype=np.int64) * _MINUTE_NS,
        open=opens,
        high=np.round(np.maximum(opens, close) + reach[0], 2),
        low=np.round(np.minimum(opens, close) - reach[1], 2),
        close=close,
        volume=rng.integers(1, 200, n_bars).astype(np.float64),
        spread=np.full(n_bars, max(0.01, round(start * 4e-5, 2))),
    )
    return Listing(symbol, bars, base_currency=symbol[:3], spread=Decimal("0.10"))


if __name__ == "__main__":
    main()
