import datetime

import numpy as np
import pytest

from agv2.core.errors import ConfigError
from agv2.data.config import MarketsConfig, weekdays_per_year
from agv2.utils.config import load_config, parse_override

DAY_NS = 86_400_000_000_000
HOUR_NS = DAY_NS // 24
MONDAY_NS = int(datetime.datetime(2020, 1, 6, tzinfo=datetime.UTC).timestamp()) * 1_000_000_000


@pytest.fixture
def markets() -> MarketsConfig:
    return load_config(MarketsConfig, "markets")


def days(*offsets: int) -> np.ndarray:
    return MONDAY_NS + DAY_NS * np.array(offsets, dtype=np.int64)


def test_the_default_market_is_as_the_contract_says(markets: MarketsConfig) -> None:
    instrument, is_default = markets.instrument("UNHEARD", days(*range(28)))
    market = instrument.market
    assert is_default
    assert (market.contract_size, market.lot_step, market.tick_size, market.leverage) == (1.0, 0.0001, 0.0, 20.0)
    assert (instrument.calendar.roll_hour, instrument.calendar.roll_zone) == (0, "UTC")
    assert instrument.calendar.triple_weekday is None


def test_gold_rolls_at_five_in_new_york_and_pays_three_nights_on_wednesday(markets: MarketsConfig) -> None:
    gold, is_default = markets.instrument("XAUUSD", days(0, 1))
    assert not is_default
    assert gold.market.contract_size == 100.0
    assert gold.calendar.trading_days_per_year == 260.0
    tuesday_evening = MONDAY_NS + DAY_NS + np.array([21, 22]) * HOUR_NS  # 16:00 and 17:00 in New York
    wednesday_evening = tuesday_evening + DAY_NS
    friday_to_sunday = MONDAY_NS + 4 * DAY_NS + np.array([21, 2 * 24 + 23]) * HOUR_NS
    assert gold.calendar.nights(tuesday_evening)[1] == 1.0
    assert gold.calendar.nights(wednesday_evening)[1] == 3.0
    assert gold.calendar.nights(friday_to_sunday)[1] == 1.0  # Friday's own; the weekend was paid on Wednesday


@pytest.mark.parametrize("symbol", ["ETHUSD", "BTCUSD", "XAUUSD", "XAGUSD", "US30", "NAS100", "US2000", "GER40"])
def test_a_tenth_of_the_starting_equity_buys_at_least_a_few_steps(symbol: str, markets: MarketsConfig) -> None:
    dearest = {"ETHUSD": 5e3, "BTCUSD": 125e3, "XAUUSD": 5e3, "XAGUSD": 120.0, "US30": 5e4, "NAS100": 3e4}
    entry, is_default = markets.entry(symbol)
    step_notional = entry.lot_step * entry.contract_size * dearest.get(symbol, 3e4)
    assert not is_default
    assert step_notional <= 10_000.0
    assert entry.max_lot * entry.contract_size * dearest.get(symbol, 3e4) >= 2_000_000.0


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [(range(28), 365.0), ([d for d in range(28) if d % 7 < 5], 261.0), ([d for d in range(28) if d % 7 != 5], 313.0)],
    ids=["all week", "weekdays", "closed on Saturday"],
)
def test_trading_days_are_counted_from_the_bars(offsets: list[int], expected: float) -> None:
    assert weekdays_per_year(days(*offsets)) == expected


def test_a_hole_of_years_or_a_stray_saturday_changes_no_count() -> None:
    weekdays = [d for d in range(28) if d % 7 < 5]
    later = [d + 7 * 300 for d in weekdays]
    assert weekdays_per_year(days(*weekdays, 5, *later)) == 261.0


def test_a_feed_closed_on_saturdays_has_fewer_days_than_the_market(markets: MarketsConfig) -> None:
    closed_on_saturdays = days(*(d for d in range(28) if d % 7 != 5))
    assert markets.instrument("ETHUSD", closed_on_saturdays)[0].calendar.trading_days_per_year == 313.0
    assert markets.instrument("ETHUSD", days(*range(28)))[0].calendar.trading_days_per_year == 365.0


def test_days_a_year_given_in_the_file_are_taken() -> None:
    override = parse_override("markets.ETHUSD.trading_days_per_year=300")
    markets = load_config(MarketsConfig, "markets", overrides=[override])
    assert markets.instrument("ETHUSD", days(0, 1))[0].calendar.trading_days_per_year == 300.0


@pytest.mark.parametrize("symbol", ["XAUUSD", "EURUSD", "US30"])
def test_metals_roll_and_count_their_days_like_currencies(symbol: str, markets: MarketsConfig) -> None:
    calendar = markets.instrument(symbol, days(0, 1))[0].calendar
    assert (calendar.roll_hour, calendar.roll_zone, calendar.weekend_nights) == (17, "America/New_York", False)
    assert calendar.trading_days_per_year == (252.0 if symbol == "US30" else 260.0)


def test_a_venue_may_spell_a_symbol_its_own_way() -> None:
    overrides = [
        parse_override("markets.XAUUSD.venue_names.GoldBroker=GOLD"),
        parse_override("markets.XAUUSD.venue_names.default=XAUUSD.r"),
        parse_override("markets.US30.venue_names.GoldBroker=US30.cash"),
    ]
    markets = load_config(MarketsConfig, "markets", overrides=overrides)
    assert markets.venue_name("XAUUSD", "GoldBroker") == "GOLD"
    assert markets.venue_name("XAUUSD", "goldbroker") == "XAUUSD.r"
    assert markets.venue_name("XAUUSD", None) == "XAUUSD.r"
    assert markets.venue_name("US30", None) == "US30"
    assert markets.venue_name("US30", "GoldBroker") == "US30.cash"
    assert markets.venue_name("UNHEARD", "GoldBroker") == "UNHEARD"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("markets.default.venue_names.default=EURUSD", "would give every symbol one name"),
        ("markets.XAUUSD.venue_names.default=''", "venue_names.default"),
        ("markets.XAUUSD.venue_names=GOLD", "venue_names"),
        ("markets.XAUUSD.contract_sise=1", "did you mean contract_size?"),
        ("markets.XAUUSD.calendar=lunar", "calendar"),
        ("markets.XAUUSD.lot_step=0", "lot_step"),
        ("markets.XAUUSD.max_lot=0.001", "max_lot 0.001 is below min_lot 0.01"),
    ],
)
def test_a_wrong_setting_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(MarketsConfig, "markets", overrides=[parse_override(text)])
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
