import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agv2.core.errors import ConfigError, DataError
from agv2.deploy.approvals import Approval, ApprovalAnswer

S = 1_000_000_000
ASKED = Approval.asked("a1", "buy 2 lots of XAUUSD", 100 * S, 300.0)


def test_silence_is_no_from_the_time_out_on() -> None:
    assert ASKED.known(399 * S) is ApprovalAnswer.WAITING
    assert ASKED.known(400 * S) is ApprovalAnswer.NO
    assert not ASKED.permits(200 * S)


def test_a_yes_in_time_permits_until_the_time_out() -> None:
    yes = ASKED.answered(True, " Ada ", 150 * S)
    assert (yes.by, yes.permits(200 * S), yes.permits(400 * S)) == ("Ada", True, False)


def test_a_no_is_no() -> None:
    no = ASKED.answered(False, "Ada", 150 * S)
    assert no.known(151 * S) is ApprovalAnswer.NO
    assert not no.permits(151 * S)


def test_an_answer_is_final_and_too_late_is_too_late() -> None:
    with pytest.raises(ConfigError, match="answered already: no, by Ada"):
        ASKED.answered(False, "Ada", 150 * S).answered(True, "Eve", 151 * S)
    with pytest.raises(ConfigError, match="has timed out"):
        ASKED.answered(True, "Ada", 400 * S)
    with pytest.raises(ConfigError, match="name of a person"):
        ASKED.answered(True, "", 150 * S)


@given(
    timeout_s=st.floats(0.1, 1e5),
    answer=st.sampled_from([None, False, True]),
    answered_s=st.integers(-10, 100_000),
    looked_s=st.integers(-10, 100_000),
)
def test_nothing_is_ever_permitted_without_a_yes_in_time(
    timeout_s: float, answer: bool | None, answered_s: int, looked_s: int
) -> None:
    approval = Approval.asked("a", "?", 0, timeout_s)
    said_yes = False
    if answer is not None:
        try:
            approval = approval.answered(answer, "Ada", answered_s * S)
            said_yes = answer
        except ConfigError:
            assert not 0 <= answered_s < timeout_s
    assert approval.permits(looked_s * S) is (said_yes and 0 <= looked_s * S < round(timeout_s * S))


def test_it_survives_a_restart_and_nonsense_approves_nothing() -> None:
    yes = ASKED.answered(True, "Ada", 150 * S)
    assert Approval.from_json(json.loads(json.dumps(yes.as_json()))) == yes
    with pytest.raises(DataError, match="nothing is approved"):
        Approval.from_json({"id": "a"})
