"""A spread that depends on the hour: from the settings over the bars' records to the price of a fill."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agv2.core.account import open_account
from agv2.core.errors import ConfigError
from agv2.core.orders import NO_ORDER, FillReason, Order
from agv2.core.timeframes import SessionCalendar
from agv2.sim.config import CostsConfig, CostsEntry
from agv2.sim.costs import SpreadSource
from agv2.sim.kernel import advance, close_out
from agv2.utils.config import load_config, parse_override
from tests.factories import a_bar, bars_of
from tests.tapes import ANY_LOT, NEW_YORK, costs

WIDE_AT_THE_ROLL = [1.0] * 17 + [4.0, 2.0] + [1.0] * 5
HOURLY = costs(half_spread_frac=0.001, spread_source=SpreadSource.HOURLY.value)
UTC = SessionCalendar(0, "UTC", 365.0, None, weekend_nights=True)


def entry(*overrides: str, symbol: str = "default", directory: Path | None = None) -> CostsEntry:
    return load_config(CostsConfig, "costs", directory, [parse_override(text) for text in overrides]).entry(symbol)[0]


def test_a_fill_pays_the_multiple_of_its_bars_hour() -> None:
    """
    16:00  O 100 ┤   x 100.1   half spread 0.1 %
    17:00  O 100 ┤   x 100.4   four times that
    """
    order = Order(7, 1.0, 0.0, 0.0, FillReason.ENTRY.value, 5)
    for scale, price in ((1.0, 100.1), (4.0, 100.4)):
        bar = a_bar(spread_scale=scale, spread=0.7)
        assert advance(open_account(1e4, 100.0), order, bar, HOURLY, ANY_LOT).market_fill.price == pytest.approx(price)
        constant = HOURLY._replace(spread_source=SpreadSource.CONSTANT.value)
        assert advance(open_account(1e4, 100.0), order, bar, constant, ANY_LOT).market_fill.price == pytest.approx(
            100.1
        )


def test_stop_target_and_close_out_pay_it_too() -> None:
    """At four times 0.1 %: T 105 needs H 105.43; S 97 is sold at 97 × 0.996."""
    book = open_account(9_900.0, 100.0)._replace(units=1.0, entry_price=100.0, stop_loss=97.0, take_profit=105.0)
    stopped = advance(book, NO_ORDER, a_bar(low=96.0, spread_scale=4.0), HOURLY, ANY_LOT).bracket_fill
    assert stopped.price == pytest.approx(97.0 * 0.996)
    for high, units in ((105.4, 0.0), (105.43, 1.0)):
        bar = a_bar(high=high, spread_scale=4.0)
        assert advance(book, NO_ORDER, bar, HOURLY, ANY_LOT).bracket_fill.units == units
    closing = close_out(book, a_bar(close=101.0, spread_scale=4.0), 9, 8, HOURLY, ANY_LOT).market_fill
    assert closing.price == pytest.approx(101.0 * 0.996)


@pytest.mark.parametrize(
    ("calendar", "opened", "scale"),
    [
        (NEW_YORK, "2024-01-10T21:59", 1.0),
        (NEW_YORK, "2024-01-10T22:00", 4.0),  # 17:00 in winter
        (NEW_YORK, "2024-07-10T21:00", 4.0),  # and in summer
        (NEW_YORK, "2024-07-10T22:59", 2.0),
        (UTC, "2024-07-10T17:30", 4.0),
    ],
)
def test_the_hour_is_that_of_the_markets_clock(calendar: SessionCalendar, opened: str, scale: float) -> None:
    bars = replace(bars_of([100.0]), ts_ns=np.array([np.datetime64(opened, "ns").astype(np.int64)]))
    assert bars.records(calendar, WIDE_AT_THE_ROLL)["spread_scale"].tolist() == [scale]


def test_without_a_profile_every_bar_is_usual() -> None:
    assert (bars_of([100.0] * 30).records(NEW_YORK)["spread_scale"] == 1.0).all()


def test_shipped_profiles_are_used_only_on_request() -> None:
    assert entry(symbol="XAUUSD").spread_source == "bar"
    gold = entry("costs.XAUUSD.spread_source=hourly", symbol="XAUUSD")
    assert gold.hourly_spread is not None
    assert len(gold.hourly_spread) == 24
    assert gold.costs().spread_source == SpreadSource.HOURLY
    assert entry("costs.XAUUSD.half_spread_frac=0.0001", symbol="XAUUSD").spread_source == "constant"


def test_naming_a_profile_means_that_profile() -> None:
    named = entry(f"costs.XAUUSD.hourly_spread={WIDE_AT_THE_ROLL}", symbol="XAUUSD")
    assert (named.spread_source, named.hourly_spread) == ("hourly", tuple(WIDE_AT_THE_ROLL))


def test_hours_without_a_profile_are_refused_with_the_remedy() -> None:
    with pytest.raises(ConfigError, match=r"default.*hourly needs hourly_spread: 24 multiples of half_spread_frac"):
        entry("costs.default.spread_source=hourly")


@pytest.mark.parametrize("wrong", ["[1, 2, 3]", str([1.0] * 23 + [0.0]), str([1.0] * 23 + [-1.0])])
def test_a_profile_is_24_positive_numbers(wrong: str) -> None:
    with pytest.raises(ConfigError, match="hourly_spread"):
        entry(f"costs.default.hourly_spread={wrong}")


def test_a_profile_that_no_fill_reads_makes_no_other_trial() -> None:
    plain = entry()
    idle = entry("costs.default.spread_source=constant", f"costs.default.hourly_spread={WIDE_AT_THE_ROLL}")
    assert idle.spread_source == "hourly", "a later layer has the last word"
    unread = idle.model_copy(update={"spread_source": "constant"})
    assert unread.in_effect == plain
    assert idle.in_effect == idle
