"""What a console sees of the guards."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from agv2.core.timeframes import Timeframe
from agv2.deploy.guard_sight import EquityBand, Unknown
from agv2.deploy.guards import Guards
from agv2.deploy.guards_config import GuardsConfig
from agv2.deploy.pnl_band import Fan, PnlState
from agv2.deploy.verdicts import GuardLevel, GuardVerdict
from agv2.deploy.watch_sight import WatchSight
from agv2.deploy.watcher import WatchedMarket
from agv2.models.live_reference import LiveReference
from agv2.utils.config import load_config
from tests.tapes import limits

DAY_S = 86_400
FRIDAY = 20_602  # 2026-05-29
BARE = Guards.of_bundle("a", LiveReference(), "X", Timeframe(60), limits(), load_config(GuardsConfig, "guards"))


def sight(state: PnlState | None, *held: GuardVerdict, has_weekends: bool = True) -> WatchSight:
    share = 1.0 + np.arange(1, 41) / 100.0
    band = None if state is None else SimpleNamespace(fan=Fan(0.9 * share, share, 1.1 * share))
    keeper = SimpleNamespace(
        guards=replace(BARE, pnl=cast(Any, band)), state=replace(BARE.fresh(), pnl=state), tripped=lambda: held
    )
    return WatchSight({"X": WatchedMarket(cast(Any, keeper), None, BARE.off)}, has_weekends=has_weekends)


def test_the_band_begins_where_the_guard_did_and_leaves_out_weekends() -> None:
    """Tuesday is under way: Friday and Monday are done."""
    state = PnlState(FRIDAY + 4, 121.0, 121.0, 1e-4, (np.log(1.1), np.log(1.1)), (1.0, 1.0))
    found = sight(state).band()
    assert isinstance(found, EquityBand)
    days = [(ts - 79_200) // DAY_S for ts in found.ts]
    assert days[:5] == [FRIDAY - 1, FRIDAY, FRIDAY + 3, FRIDAY + 4, FRIDAY + 5]
    assert len(found.ts) == len(found.low) == len(found.median) == len(found.high) == 1 + 2 + 20
    assert found.median[:3] == pytest.approx([100.0, 101.0, 102.0])
    assert (found.low[0], found.low[1], found.high[1]) == pytest.approx((100.0, 90.9, 111.1))


def test_a_market_that_never_closes_has_a_band_for_every_day() -> None:
    found = sight(PnlState(FRIDAY + 1, 100.0, 100.0, 1e-4), has_weekends=False).band()
    assert isinstance(found, EquityBand)
    assert np.diff(found.ts).tolist() == [DAY_S] * 20
    assert found.ts[0] == (FRIDAY + 1) * DAY_S


def test_what_is_not_known_is_said_why() -> None:
    assert sight(None).band() == Unknown("the bundle knows 0 days out of sample, 60 are needed")
    assert sight(PnlState(-1, 0.0, 0.0, 1e-4)).band() == Unknown("no bar was decided on yet")
    assert sight(None).drift("X") == Unknown("the bundle does not say what was usual for this symbol")


def test_the_strictest_comes_first() -> None:
    halt = GuardVerdict("drift", GuardLevel.HALT, 5, "astray")
    flatten = GuardVerdict("drawdown", GuardLevel.FLATTEN, 9, "lost")
    older = GuardVerdict("pnl", GuardLevel.HALT, 3, "out of the band")
    assert sight(None, halt, flatten, older).findings() == [flatten, older, halt]
