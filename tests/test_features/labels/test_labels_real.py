"""Label balance on real files, where there are any."""

from pathlib import Path

import pytest

from agv2.data.bars_file import read_bars, read_rows
from agv2.data.quality.findings import Severity
from agv2.data.quality_checks import check_bars
from agv2.features.bar_volatility import bar_volatility
from agv2.features.labels.bar_labels import bar_labels, class_shares
from agv2.features.support_resistance import level_density, nearest_levels
from tests.quality_markets import SETTINGS, market_of

pytestmark = pytest.mark.slow

FEWEST_BARS = 5_000
MOST_SHARE = 0.9


def is_sound(path: Path) -> bool:
    raw = read_rows(path).raw
    if raw.ts_ns.size < FEWEST_BARS:
        return False
    found = check_bars(raw, market_of(raw.symbol), SETTINGS).findings
    return all(each.severity is not Severity.ERROR for each in found)


def test_no_class_of_any_label_is_empty_or_above_nine_tenths_on_any_sound_file(real_bars: Path) -> None:
    paths = [path for path in sorted(real_bars.glob("*.parquet")) if is_sound(path)]
    assert len(paths) > 20
    faults = {}
    for path in paths:
        bars = read_bars(path).bars
        sigma = bar_volatility(bars.close)
        levels = nearest_levels(level_density(bars.high, bars.low, bars.close, sigma))
        for name, shares in class_shares(bar_labels(bars, sigma, levels)).items():
            if not 0.0 < shares.min() <= shares.max() <= MOST_SHARE:
                faults[f"{path.stem} {name}"] = shares.tolist()
    assert faults == {}
