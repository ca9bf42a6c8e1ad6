"""Another machine's time, by the Date of its answer."""

import email.utils
import io

import pytest

from agv2.core.errors import ConfigError
from agv2.deploy.settings import DeploySettings
from agv2.deploy.time_asked import TimeAsked
from agv2.utils.clock import ReplayClock
from agv2.utils.config import load_config, parse_override
from tests.clock_tellers import Teller
from tests.test_deploy.conftest import NOON_NS, lines_of

S = 10**9
NOON_S = NOON_NS // S


def test_it_asks_when_due_and_any_answer_tells_the_time(teller: Teller, clock: ReplayClock) -> None:
    steady = [0]
    asked = TimeAsked(teller.address, clock, steady_ns=lambda: steady[0])
    teller.tell(NOON_S + 40)
    reading = asked.reading()
    assert reading is not None
    assert reading.skew_s == -40.0
    steady[0] = 299 * S
    assert asked.reading() is None
    steady[0] = 300 * S
    assert asked.reading() is not None
    assert teller.n_asked == 2


def test_what_tells_no_time_of_its_own_costs_the_reading_and_is_said_once(
    teller: Teller, clock: ReplayClock, log: io.StringIO
) -> None:
    asked = TimeAsked(teller.address, clock, every_ns=0)
    for headers in ({}, {}, {"Date": "noon"}, {"Date": email.utils.formatdate(NOON_S), "Age": "30"}):
        teller.headers = headers
        assert asked.reading() is None
    teller.tell(NOON_S, Age="0")
    assert asked.reading() is not None
    teller.server.shutdown()
    teller.server.server_close()
    assert asked.reading() is None
    said = [line["why"] for line in lines_of(log) if line["event"] == "clock"]
    assert said == [
        "its answer has no Date",
        "its answer comes from a cache, with the time at which that was filled",
        "told again",
        "it does not answer (ConnectError)",
    ]


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("http://venue.example", "over plain http, anybody on the way could tell another time"),
        ("venue", "clock_address"),
    ],
)
def test_an_address_that_anybody_could_answer_for_is_refused(address: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load_config(DeploySettings, "deploy", None, [parse_override(f"deploy.clock_address={address}")])
