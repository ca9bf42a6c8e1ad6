"""Real files, where there are any: every known defect is found, and clean files have no error."""

from pathlib import Path

import pytest

from agv2.data.bars_file import read_rows
from agv2.data.quality.findings import Finding, Severity
from agv2.data.quality_checks import check_bars
from tests.quality_markets import SETTINGS, market_of

pytestmark = pytest.mark.slow

ERRORS = {
    "DIA_1m": {"conflicting_duplicates": 6},
    "QQQ_1m": {"conflicting_duplicates": 7},
    "XAUUSD_1h__mt5s__to2020": {"mixed_granularity": 2_938},
    "XAUUSD_4h__mt5s__to2020": {"mixed_granularity": 2_889},
    "XAGUSD_1h__mt5s__to2020": {"mixed_granularity": 2_926},
    "XAGUSD_4h__mt5s__to2020": {"mixed_granularity": 2_926},
}
WARNINGS = [
    ("DIA_1m", "identical_duplicates", ""),
    ("GBPUSD_1m", "negative_spreads", ""),
    ("ETHUSD_1m", "gaps", ""),
    ("ETHUSD_1m", "flat_bars", ""),
    ("XAGUSD_1h", "flat_bars", ""),
    ("US30_1h__mt5j", "stale_runs", ""),
    ("NAS100_1h__mt5j", "absent_sessions", "38 sessions, until 2025-09-09"),
    ("US30_1h", "absent_sessions", "from 2015-05 to 2018-03"),
    ("NAS100_1h", "absent_sessions", "from 2015-05 to 2018-03"),
    ("GER40_1h", "absent_sessions", "from 2015-04 to 2018-03"),
    ("BTCUSD_1h__2020_2022", "absent_sessions", "Fri 18:00 to Sun 16:00"),
    ("ETHUSD_30m__2020_2022", "absent_sessions", "Fri 18:00 to Sun 16:00"),
]


def found_in(path: Path) -> dict[str, Finding]:
    raw = read_rows(path).raw
    return {each.id: each for each in check_bars(raw, market_of(raw.symbol), SETTINGS).findings}


def test_errors_are_those_that_are_known_and_no_other(real_bars: Path) -> None:
    errors = {}
    for path in sorted(real_bars.glob("*.parquet")):
        own = {key: each.count for key, each in found_in(path).items() if each.severity is Severity.ERROR}
        if own:
            errors[path.stem] = own
    assert errors == ERRORS


@pytest.mark.parametrize(("stem", "name", "words"), WARNINGS)
def test_known_defects_are_warned_of(real_bars: Path, stem: str, name: str, words: str) -> None:
    found = found_in(real_bars / f"{stem}.parquet")[name]
    assert found.severity is Severity.WARNING
    assert any(words in place.value for place in found.places)


def test_counts_of_duplicates_are_those_of_the_files(real_bars: Path) -> None:
    assert found_in(real_bars / "DIA_1m.parquet")["identical_duplicates"].count == 24_142
    assert found_in(real_bars / "QQQ_1m.parquet")["identical_duplicates"].count == 23_002
    assert found_in(real_bars / "GBPUSD_1m.parquet")["negative_spreads"].count == 347
