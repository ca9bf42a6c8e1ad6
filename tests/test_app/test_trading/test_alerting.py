"""What a running trader tells people who are not looking."""

import asyncio
from pathlib import Path

from agv2.app.trading.alerting import TraderAlerts, summary_words
from agv2.decision.observation import BOOK_FIELDS
from agv2.deploy.alerts.desk import AlertDesk
from agv2.deploy.alerts.sinks import WebhookSink
from agv2.deploy.settings import DeploySettings
from agv2.execution.trader import Trader
from agv2.execution.trader_status import TraderStatus
from agv2.utils.clock import ReplayClock
from agv2.utils.config import load_config
from tests.paper_trading import Drifting, PaperDay, TapeModel
from tests.receivers import Receiver
from tests.tapes import a_tape, limits, walk

CONFIG = load_config(DeploySettings, "deploy").alerts
HOUR_NS = 3_600_000_000_000


async def test_a_halt_reaches_people_while_the_trader_goes_on(tmp_path: Path, receiver: Receiver) -> None:
    tape = a_tape(walk(40), params=limits(daily_loss_frac=0.003))
    day = PaperDay(tmp_path, TapeModel(tape, Drifting(tape.market_rows.shape[1] + len(BOOK_FIELDS))))
    desk = AlertDesk([WebhookSink(receiver.url, "", 5.0)], CONFIG)
    clock = ReplayClock(20 * HOUR_NS)
    alerts = TraderAlerts(desk, "paper WALK 1h", clock, "21:00")

    def listening(trader: Trader) -> None:
        trader._parts.journal.listen(alerts.heard)

    def told(status: TraderStatus, what: str) -> None:
        if status.switch.is_thrown:
            clock.advance_to(22 * HOUR_NS)
        alerts.looked(status)

    await day.run(saw=listening, tell=told)
    await asyncio.to_thread(desk.close, 20.0)
    told_ones = [alert for heard in receiver.heard for alert in heard.json["alerts"]]
    events = [alert["event"] for alert in told_ones]
    assert events[0] == "started"
    assert events[-1] == "stopped"
    assert events.count("kill") == events.count("daily_summary") == 1
    kill = next(alert for alert in told_ones if alert["event"] == "kill")
    assert kill["severity"] == "alarm"
    assert "thrown by risk limits: daily loss limit of 0.3% hit" in kill["text"]
    summary = next(alert for alert in told_ones if alert["event"] == "daily_summary")
    assert summary["text"].startswith("daily summary: HALTED: daily loss limit of 0.3% hit; equity 99,")


def test_a_summary_of_a_trader_that_has_seen_nothing() -> None:
    status = TraderStatus("paper", "WALK", "1h", "sim")
    assert summary_words(status, 0.0, 0) == "daily summary: trading; no book yet; 0 fills; feed waiting"
    status.tripped = ("drift: astray", "pnl: out of the band")
    assert summary_words(status, 0.0, 2).endswith("; guards tripped: drift, pnl")
