"""An independent client, the official SDK, is content with the fake venue, and is seen to do what it is known for."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.core.bars import Bars
from agv2.core.timeframes import Timeframe
from agv2.tradelocker.fake.faults import FaultKind, FaultPlan, FaultRule
from agv2.tradelocker.fake.listings import Listing
from agv2.tradelocker.fake.rules import VenueRules
from agv2.tradelocker.fake.server import FakeTradeLocker
from agv2.utils.clock import SystemClock
from tests.test_tradelocker.fake_trader import MINUTE_NS

# The SDK sleeps a second before every request, and its environment takes a minute to make.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SESSION = Path(__file__).with_name("sdk_session.py")
ORDERS = "/trade/accounts/*/orders"


@pytest.fixture(scope="module")
def sdk_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpreter of a throw-away environment with the SDK in it."""
    home = tmp_path_factory.mktemp("sdk")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, capture_output=True)
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "tradelocker==0.56.2"]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the official SDK cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    return python


def a_venue(rules: VenueRules | None = None, faults: FaultPlan | None = None) -> FakeTradeLocker:
    """Three days of 1m bars up to now by the wall clock, which the SDK goes by, and one day ahead."""
    clock, n_bars = SystemClock(), 4 * 1440
    first_ns = (clock.now_ns() // MINUTE_NS - 3 * 1440) * MINUTE_NS
    close = np.round(2500.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 2e-4, n_bars))), 2)
    opens = np.concatenate([close[:1], close[:-1]])
    stamps = first_ns + np.arange(n_bars, dtype=np.int64) * MINUTE_NS
    high, low = np.maximum(opens, close) + 1.0, np.minimum(opens, close) - 1.0
    bars = Bars("ETHUSD", Timeframe(1), stamps, opens, high, low, close, np.full(n_bars, 4.0), np.full(n_bars, 0.1))
    return FakeTradeLocker([Listing("ETHUSD", bars)], clock=clock, rules=rules, faults=faults)


def said_by_sdk(python: Path, what: str, fake: FakeTradeLocker) -> dict[str, Any]:
    command = [str(python), str(SESSION), what, fake.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_the_sdk_is_content_with_every_endpoint_that_it_has(sdk_python: Path) -> None:
    with a_venue() as fake:
        said = said_by_sdk(sdk_python, "tour", fake)
        orders, positions = fake.orders(), fake.positions()
        assert fake.check() == []
        assert {record.status for record in fake.requests} <= {200, 201}
        assert "a fake password" not in str(fake.requests)

    # who and what
    assert (said["account_id"], said["acc_num"]) == (812399, 2)
    assert [account["accNum"] for account in said["accounts"]] == [1, 2]
    assert said["max_rows"] == 20_000
    assert said["history_rate"]["limit"] == 1
    assert said["trade_accounts"][0]["id"] == "812399"
    assert (said["eth"], said["trade_route"], said["info_route"]) == (278, "452", "1152263")
    assert said["details"]["symbolStatus"] == "FULLY_OPEN"
    assert said["session_status"]["allowedOperations"] == [1, 1, 1]

    # prices
    assert said["quotes"]["ap"] - said["quotes"]["bp"] == pytest.approx(0.1)
    assert said["depth"]["asks"][0][0] > said["depth"]["bids"][0][0]
    assert said["daily_bar"]["l"] <= said["daily_bar"]["c"] <= said["daily_bar"]["h"]
    for resolution, step_ms, fewest in (("1m", 60_000, 119), ("1H", 3_600_000, 23), ("1D", 86_400_000, 2)):
        times = [bar["t"] for bar in said[f"history_{resolution}"]]
        assert len(times) >= fewest
        assert set(np.diff(times)) == {step_ms}
    assert said["no_history"] == []

    # orders
    assert [(row["id"], row["qty"], row["isOpen"]) for row in said["orders_before"]] == [
        (said["pending"], 0.05, "true")
    ]
    assert [(row["id"], row["qty"]) for row in said["orders_after"]] == [(said["pending"], 0.07)]
    assert said["orders_after"][0]["price"] - said["orders_before"][0]["price"] == pytest.approx(1.0)
    assert said["modified"] is said["cancelled"] is said["cancelled_all"] is True
    assert said["no_orders"] == []

    # positions: ids of 19 digits came through whole, a leg keeps its id when it is moved
    assert [order.order_id for order in orders if order.strategy_id == "sdk-market"] == [said["order"]]
    assert said["position"] == positions[0].position_id
    position = said["positions"][0]
    assert (position["id"], position["qty"], position["strategyId"]) == (said["position"], 0.3, "sdk-market")
    legs = {row["id"]: row for row in said["legs"]}
    assert set(legs) == {position["stopLossId"], position["takeProfitId"]}
    moved = {row["id"]: row for row in said["moved_legs"]}
    assert moved[position["stopLossId"]]["stopPrice"] - legs[position["stopLossId"]]["stopPrice"] == pytest.approx(5.0)
    assert (said["smaller"][0]["qty"], said["smaller"][0]["takeProfitId"]) == (0.2, "0")
    assert said["state"]["positionsCount"] == 1
    assert said["closed"] is said["closed_all"] is True
    assert said["flat"] == []

    # after the event
    assert {row["status"] for row in said["history"]} == {"Filled", "Cancelled"}
    assert len(said["executions"]) == 5
    realised = sum(float(position.realised) for position in positions)
    assert said["end_state"]["balance"] == pytest.approx(10_000 + realised, abs=0.01)
    assert said["both_tokens_new"] is True
    assert said["after_refresh"]["bp"] > 0


def test_the_sdk_posts_an_order_again_for_every_acknowledgement_that_is_lost(sdk_python: Path) -> None:
    faults = FaultPlan(
        FaultRule(FaultKind.LOST_ANSWER, "POST", ORDERS, times=3),
        FaultRule(FaultKind.LOST_ANSWER, "POST", ORDERS, first=5, times=4),
    )
    with a_venue(faults=faults) as fake:
        said = said_by_sdk(sdk_python, "lost", fake)
        thrice, for_good = fake.orders_of("lost-thrice"), fake.orders_of("lost-for-good")
        assert len(fake.open_positions()) == 8
        assert fake.check() == []
    assert len(thrice) == 4
    assert said["order"] == thrice[-1].order_id
    assert len(for_good) == 4
    assert said["error"] == "ConnectionError"


def test_the_sdk_closes_by_order_id_the_size_of_the_order_not_what_is_left(sdk_python: Path) -> None:
    with a_venue(rules=VenueRules(close_excess="close_all")) as fake:
        said = said_by_sdk(sdk_python, "close-by-order", fake)
        asked = [record.body["qty"] for record in fake.requests if record.method == "DELETE"]
        filled = [fill.qty for fill in fake.executions if not fill.opens]
        assert fake.open_positions() == []
    assert said == {"part": True, "rest": True}
    assert asked == ["0.1", "0.3"]
    assert filled == [Decimal("0.1"), Decimal("0.2")]


def test_the_sdk_reports_what_the_venue_refuses(sdk_python: Path) -> None:
    with a_venue() as fake:
        said = said_by_sdk(sdk_python, "refused", fake)
        assert fake.orders() == []
    assert set(said) == {"step", "minimum", "stop_side", "long_id"}
    assert {text.split(":")[0] for text in said.values()} == {"TLAPIOrderException"}, said
    assert "step" in said["step"]
    assert "wrong side" in said["stop_side"]
