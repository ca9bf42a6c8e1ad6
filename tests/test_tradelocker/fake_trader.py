"""A plain client of the fake venue, and prices for it; shared by the tests of the fake."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import httpx
import numpy as np

from agv2.core.bars import Bars
from agv2.core.timeframes import Timeframe
from agv2.tradelocker.fake.faults import FaultPlan, FaultRule
from agv2.tradelocker.fake.listings import FakeLogin, Listing
from agv2.tradelocker.fake.rules import VenueRules
from agv2.tradelocker.fake.server import FakeTradeLocker
from agv2.utils.clock import ReplayClock

__all__ = ["ACCOUNT", "MINUTE_NS", "START_NS", "Trader", "a_listing", "minute_bars", "trading"]

MINUTE_NS = 60_000_000_000
START_NS = 1_772_445_600_000_000_000  # Monday, 2026-03-02 10:00 UTC
ACCOUNT = "812345"


def minute_bars(*ohlc: tuple[float, float, float, float], symbol: str = "ETHUSD", start_ns: int = START_NS) -> Bars:
    """1m bars of these prices from `start_ns` on; volume 8, no spread."""
    opens, high, low, close = np.array(ohlc, dtype=np.float64).T
    stamps = start_ns + np.arange(len(ohlc), dtype=np.int64) * MINUTE_NS
    volume, unknown = np.full(len(ohlc), 8.0), np.full(len(ohlc), np.nan)
    return Bars(symbol, Timeframe(1), stamps, opens, high, low, close, volume, unknown)


def a_listing(*ohlc: tuple[float, float, float, float], **changes: Any) -> Listing:
    """ETHUSD, spread 0.10, tick 0.01; quiet at 100 without prices of its own."""
    return Listing("ETHUSD", minute_bars(*(ohlc or [(100.0, 100.0, 100.0, 100.0)] * 600)), **changes)


class Trader:
    """One connection with a token; answers are httpx responses, rows dictionaries by column name."""

    def __init__(self, fake: FakeTradeLocker, acc_num: str = "1", account_id: str = ACCOUNT) -> None:
        self.fake, self.account_id = fake, account_id
        self.http = httpx.Client(base_url=f"{fake.url}/backend-api", timeout=10.0, trust_env=False)
        self.tokens = self.login().json()
        self.headers = {"accNum": acc_num, "Authorization": f"Bearer {self.tokens['accessToken']}"}
        self._columns: dict[str, list[str]] = {}

    def __enter__(self) -> "Trader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def login(self, **changes: str) -> httpx.Response:
        login = FakeLogin()
        body = {"email": login.email, "password": login.password, "server": login.server} | changes
        return self.http.post("/auth/jwt/token", json=body)

    def send(self, method: str, path: str, body: Any = None, **params: Any) -> httpx.Response:
        return self.http.request(method, f"/trade{path}", json=body, params=params, headers=self.headers)

    def get(self, path: str, **params: Any) -> Any:
        """The whole envelope."""
        answer = self.send("GET", path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def priced(self, path: str, **params: Any) -> Any:
        """The whole envelope of a market data call for ETHUSD."""
        return self.get(path, tradableInstrumentId=278, routeId=1152263, **params)

    def place(self, **changes: Any) -> Any:
        """Envelope of a market buy of 1 lot, unless `changes` say otherwise."""
        body = {"tradableInstrumentId": 278, "routeId": 452, "qty": 1, "side": "buy", "type": "market"}
        body |= {"validity": "IOC" if changes.get("type", "market") == "market" else "GTC"} | changes
        answer = self.send("POST", f"/accounts/{self.account_id}/orders", body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def bought(self, **changes: Any) -> str:
        """Id of the position that a market order opened."""
        order_id = self.place(**changes)["d"]["orderId"]
        return next(str(row["positionId"]) for row in self.history() if row["id"] == order_id)

    def rows(self, name: str, config: str, **params: Any) -> list[dict[str, Any]]:
        if config not in self._columns:
            columns = self.get("/config")["d"][config]["columns"]
            self._columns[config] = [column["id"] for column in columns]
        table = self.get(f"/accounts/{self.account_id}/{name}", **params)["d"][name]
        return [dict(zip(self._columns[config], row, strict=True)) for row in table]

    def orders(self, **params: Any) -> list[dict[str, Any]]:
        return self.rows("orders", "ordersConfig", **params)

    def history(self, **params: Any) -> list[dict[str, Any]]:
        return self.rows("ordersHistory", "ordersHistoryConfig", **params)

    def positions(self) -> list[dict[str, Any]]:
        return self.rows("positions", "positionsConfig")

    def executions(self) -> list[dict[str, Any]]:
        return self.rows("executions", "filledOrdersConfig")

    def state(self) -> dict[str, float]:
        columns = [column["id"] for column in self.get("/config")["d"]["accountDetailsConfig"]["columns"]]
        data = self.get(f"/accounts/{self.account_id}/state")["d"]["accountDetailsData"]
        return dict(zip(columns, data, strict=True))


@contextmanager
def trading(
    *listings: Listing, rules: VenueRules | None = None, faults: tuple[FaultRule, ...] = ()
) -> Iterator[Trader]:
    """A trader at a venue whose clock stands at the open of the first bar; the books must be sound afterwards."""
    plan, clock = FaultPlan(), ReplayClock(START_NS)
    with (
        FakeTradeLocker(listings or (a_listing(),), clock=clock, rules=rules, faults=plan) as fake,
        Trader(fake) as trader,
    ):
        plan.add(*faults)
        yield trader
        assert fake.check() == []
