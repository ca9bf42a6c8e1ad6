"""A scripted venue and its time, fresh for each test."""

import pytest

from tests.test_tradelocker.scripted_venue import ScriptedVenue, VirtualTime


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


@pytest.fixture
def venue(time: VirtualTime) -> ScriptedVenue:
    return ScriptedVenue(time)
