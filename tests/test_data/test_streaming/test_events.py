import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agv2.core.bars import Bars
from agv2.core.errors import AGV2Error, StreamError
from agv2.core.timeframes import Timeframe
from agv2.data.streaming.events import Event, Topic, bar_event, bars_of, decode_event, encode_event

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.builds(
    Event,
    topic=st.sampled_from(Topic),
    series=st.text(),
    rank=st.integers(0, 2**63 - 1),
    content=st.dictionaries(st.text(), JSON_VALUES, max_size=4),
)


@given(EVENTS)
def test_an_event_is_read_back_as_it_was_written(event: Event) -> None:
    assert decode_event(encode_event(event)) == event


@given(st.binary() | JSON_VALUES.map(json.dumps))
def test_anything_else_is_refused(text: bytes | str) -> None:
    try:
        event = decode_event(text)
    except StreamError:
        return
    assert encode_event(event)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ["symbol", "timeframe", "open", "high", "low", "close", "volume", "spread"], JSON_VALUES
        ),
    )
)
def test_content_that_is_no_bar_is_refused(content: dict[str, object]) -> None:
    try:
        bars = bars_of(Event(Topic.BARS, "X/1h", 0, content))
    except AGV2Error:
        return
    assert len(bars) == 1


@pytest.mark.parametrize("text", ['{"close": NaN}', "[]", '{"topic":"bars","series":"x","rank":true,"content":{}}'])
def test_almost_events_are_refused(text: str) -> None:
    with pytest.raises(StreamError):
        decode_event(text)


def test_a_bar_travels_whole_and_unknown_stays_unknown() -> None:
    one = np.array([1.0])
    bars = Bars(
        "GER40.cash",
        Timeframe(5),
        np.array([1_700_000_100_000_000_000]),
        one * 0.1,
        one * 0.3,
        one * 0.1,
        one * 0.2,
        one * np.nan,
        one * 0.05,
    )
    event = decode_event(encode_event(bar_event(bars, 0)))
    assert event.series == "GER40.cash/5m"
    back = bars_of(event)
    assert (back.symbol, back.timeframe) == (bars.symbol, bars.timeframe)
    for name in ("ts_ns", "open", "high", "low", "close", "volume", "spread"):
        np.testing.assert_array_equal(getattr(back, name), getattr(bars, name))


@pytest.mark.parametrize("spoilt", [{"timeframe": "soon"}, {"open": 10**400}, {"open": float("inf")}])
def test_a_spoilt_bar_is_told_as_such(spoilt: dict[str, object]) -> None:
    content = {"symbol": "X", "timeframe": "1h", "volume": None, "spread": None} | dict.fromkeys(
        ["open", "high", "low", "close"], 1.0
    )
    with pytest.raises(StreamError, match="tells of no bar"):
        bars_of(Event(Topic.BARS, "X/1h", 0, content | spoilt))


def test_news_of_a_fill_is_no_bar() -> None:
    with pytest.raises(StreamError, match="tells of no bar"):
        bars_of(Event(Topic.FILLS, "book", 1, {}))
