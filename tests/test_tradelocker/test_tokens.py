"""How long a token lasts, told by itself."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agv2.tradelocker.tokens import token_pair
from tests.test_tradelocker.scripted_venue import START_NS, jwt

NS = 1_000_000_000


def answer(access: Any = "opaque", refresh: Any = "r") -> dict[str, Any]:
    return {"accessToken": access, "refreshToken": refresh}


@pytest.mark.parametrize("skew_s", [-86_400, -1800, 0, 1800, 86_400])
def test_the_life_is_counted_from_issue_to_end_whatever_our_clock_says(skew_s: int) -> None:
    now_ns = START_NS + skew_s * NS
    pair = token_pair(answer(jwt(1, life_s=3600.0)), now_ns)
    assert pair is not None
    assert not pair.is_due(now_ns + 3479 * NS)
    assert pair.is_due(now_ns + 3480 * NS)
    assert not pair.is_over(now_ns + 3599 * NS)
    assert pair.is_over(now_ns + 3600 * NS)


def test_a_short_life_is_renewed_after_four_fifths() -> None:
    pair = token_pair(answer(jwt(1, life_s=60.0)), START_NS)
    assert pair is not None
    assert not pair.is_due(START_NS + 47 * NS)
    assert pair.is_due(START_NS + 48 * NS)


@pytest.mark.parametrize(
    "access", ["opaque", "a.b.c", "eyJ.e30.x", "a.!!!.c", jwt(1, life_s=-5.0), jwt(1, life_s=1e12)]
)
def test_a_token_that_does_not_say_when_it_ends_is_never_due(access: str) -> None:
    pair = token_pair(answer(access), START_NS)
    assert pair is not None
    assert not pair.is_due(2**62)
    assert not pair.is_over(2**62)


@pytest.mark.parametrize(
    "bad", [None, [], {}, answer(None), answer(""), answer(5), answer("two\nlines"), answer("é"), answer("a", None)]
)
def test_an_answer_without_usable_tokens_is_no_pair(bad: Any) -> None:
    assert token_pair(bad, 0) is None


@given(st.text(max_size=60) | st.tuples(st.text(max_size=4), st.text(max_size=40), st.text(max_size=4)).map(".".join))
def test_any_text_is_a_token_or_none(access: str) -> None:
    token_pair(answer(access), START_NS)
