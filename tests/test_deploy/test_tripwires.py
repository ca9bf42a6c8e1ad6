import json

import pytest

from agv2.core.errors import ConfigError, DataError
from agv2.deploy.tripwires import Tripwires
from agv2.deploy.verdicts import GuardLevel, GuardVerdict

HALT = GuardVerdict("drift", GuardLevel.HALT, 0, "features have left", {"limit_share": 1.2})
FLATTEN = GuardVerdict("drawdown", GuardLevel.FLATTEN, 0, "limit reached")


def test_what_has_tripped_stays_so_when_its_cause_is_gone() -> None:
    tripped = Tripwires().observed([HALT], 5).tripwires
    later = tripped.observed([GuardVerdict.clear("drift")], 9)
    assert later.records == ()
    assert later.tripwires.verdict() == GuardVerdict("drift", GuardLevel.HALT, 5, "features have left", HALT.evidence)
    assert later.tripwires.verdict().halted
    assert not later.tripwires.verdict().flatten


def test_each_trip_is_told_once_with_its_time_and_evidence() -> None:
    first = Tripwires().observed([HALT], 5)
    assert [(record.event, record.at_ns, record.verdict.evidence) for record in first.records] == [
        ("tripped", 5, {"limit_share": 1.2})
    ]
    assert first.tripwires.observed([HALT], 6).records == ()


def test_the_strictest_has_the_say_and_a_stricter_finding_takes_over() -> None:
    both = Tripwires().observed([HALT, FLATTEN], 5).tripwires
    assert both.verdict().guard == "drawdown"
    assert both.verdict().flatten
    raised = (
        Tripwires().observed([HALT], 5).tripwires.observed([GuardVerdict("drift", GuardLevel.FLATTEN, 0, "worse")], 7)
    )
    assert [record.event for record in raised.records] == ["raised"]
    assert raised.tripwires.verdict().flatten


def test_it_survives_a_restart() -> None:
    tripped = Tripwires().observed([HALT, FLATTEN], 5).tripwires
    assert Tripwires.from_json(json.loads(json.dumps(tripped.as_json()))) == tripped


def test_a_person_rearms_by_name_and_that_is_written_down() -> None:
    tripped = Tripwires().observed([HALT], 5).tripwires
    rearmed = tripped.rearmed("drift", " Ada ", "new feed, looked at", 8)
    assert not rearmed.tripwires.verdict().halted
    (record,) = rearmed.records
    assert (record.event, record.by, record.note, record.at_ns) == ("rearmed", "Ada", "new feed, looked at", 8)
    assert record.verdict.since_ns == 5
    assert rearmed.tripwires.observed([HALT], 9).records[0].event == "tripped"


def test_nobody_rearms_nothing() -> None:
    tripped = Tripwires().observed([HALT], 5).tripwires
    with pytest.raises(ConfigError, match="name of a person"):
        tripped.rearmed("drift", "  ", "", 6)
    with pytest.raises(ConfigError, match="pnl has not tripped; tripped: drift"):
        tripped.rearmed("pnl", "Ada", "", 6)


@pytest.mark.parametrize("text", ["{}", '{"tripped": [{"guard": "drift"}]}', '{"tripped": [{"level": "often"}]}', "[]"])
def test_a_latch_that_cannot_be_read_is_no_open_one(text: str) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        Tripwires.from_json(json.loads(text))
