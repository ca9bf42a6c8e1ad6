"""Write the tables of docs/features.md from what the features declare; what is between the tables is written by hand.

python -m tools.feature_page            # writes the page
python -m tools.feature_page --check    # says whether it is up to date; a test does the same
"""

import functools
import inspect
import re
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agv2.app.feature_table import FeatureRow, feature_rows
from agv2.core.bars import Bars
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.data.config import MarketsConfig
from agv2.data.synthetic_markets.market import MarketRequest, instrument_market
from agv2.features.pipeline import FEATURES, FeatureMatrix, compute_features
from agv2.features.support_resistance import fractal_pivots, heat_map, level_density, nearest_levels
from agv2.features.swing_levels import swing_levels
from agv2.utils.config import load_config

PAGE = Path(__file__).resolve().parents[1] / "docs/features.md"
PICTURES = PAGE.parent / "figures/features"
TIMEFRAME = Timeframe(60)
SHOWN_BARS = 300
"""In every picture: the last ones of the market."""

_SYMBOL, _MARKET_BARS = "XAUUSD", 2_400
_BLOCK = re.compile(r"(<!-- from the sources: (\w+) (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_QUOTED = {each.__name__: each for each in (fractal_pivots, level_density, nearest_levels, heat_map, swing_levels)}


@dataclass(frozen=True, slots=True)
class Market:
    """The bars in the pictures, and what is known at each."""

    bars: Bars
    calendar: SessionCalendar
    features: FeatureMatrix


def _heat() -> tuple[str, ...]:
    return tuple(spec.name for spec in FEATURES if spec.is_heat)


FAMILIES: dict[str, tuple[str, ...]] = {
    "returns": ("log_return_1", "log_return_3", "log_return_12", "log_return_60"),
    "shapes": ("opening_gap", "range", "upper_wick", "lower_wick"),
    "volatility": ("realized_volatility", "parkinson_volatility", "average_true_range", "usual_volatility"),
    "clock": (
        "session_asia", "session_london", "session_new_york",
        "time_of_day_sine", "time_of_day_cosine", "time_of_day_sine_2", "time_of_day_cosine_2",
        "time_of_day_sine_3", "time_of_day_cosine_3", "time_of_day_sine_4", "time_of_day_cosine_4",
        "day_of_week_sine", "day_of_week_cosine",
    ),
    "levels": ("level_above", "level_below", "level_above_strength", "level_below_strength"),
    "swings": ("swing_support", "swing_resistance"),
    "heatmap": _heat(),
}  # fmt: skip
"""Features by the section and the picture that show them."""
DRAWN = FAMILIES | {"context": ("log_return_3", "log_return_3@4h", "log_return_3@1d")}
"""Columns in each picture."""


@functools.cache
def market() -> Market:
    """A synthetic gold market without an edge: anybody may draw its pictures again."""
    config = load_config(MarketsConfig, "markets")
    bars = instrument_market(MarketRequest(symbol=_SYMBOL, n_bars=_MARKET_BARS), config.entry(_SYMBOL)[0]).bars
    calendar = config.instrument(_SYMBOL, bars.ts_ns)[0].calendar
    return Market(bars, calendar, compute_features(bars, calendar))


def drawn_values(picture: str) -> str:
    """Fingerprint of what a picture shows, to the hundredth: it tells whether a picture is of these features."""
    names = market().features.names
    columns = [names.index(name) for name in DRAWN[picture]]
    shown = market().features.values[-SHOWN_BARS:, columns].astype(np.float64)
    return f"{zlib.crc32(np.round(100.0 * shown).astype(np.int64).tobytes()):08x}"


def up_to_date(page: str) -> str:
    """The page with each block between its marks made anew."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{_made(found[2], found[3])}\n{found[4]}", page)


def _made(kind: str, name: str) -> str:
    if kind == "table":
        return _table([row for row in feature_rows(TIMEFRAME) if row.name.split(" ")[0] in FAMILIES[name]])
    return _quote(name)


def _table(rows: list[FeatureRow]) -> str:
    timeframes = max((row.timeframes for row in rows), key=len)
    lines = [
        f"| feature | meaning | unit | range | bars | {' | '.join(f'on {name}' for name in timeframes)} | known at |",
        f"|---|---|---|---|--:|{'--:|' * len(timeframes)}---|",
    ]
    for row in rows:
        name = " .. ".join(f"`{part}`" for part in row.name.split(" .. "))
        cells = [name, row.meaning, row.unit, f"{row.low:g} to {row.high:g}", f"{row.lookback:,}"]
        cells += [f"{n_bars:,}" for _, n_bars in row.base_lookbacks]
        lines.append(f"| {' | '.join([*cells, row.known_at])} |")
    return "\n".join(lines) + "\n"


def _quote(name: str) -> str:
    """What the docstring of a function says before its arguments, and where it is from."""
    text = inspect.getdoc(_QUOTED[name]) or ""
    said, _, rest = text.partition("\n\nArgs:")
    sources = [part for part in rest.split("\n") if part.startswith("Source:")]
    return "\n".join(f"> {line}".rstrip() for line in [*said.split("\n"), *([""] if sources else []), *sources]) + "\n"


def main() -> None:
    """Write the page, or say that it is out of date."""
    before = PAGE.read_text(encoding="utf-8")
    after = up_to_date(before)
    if "--check" in sys.argv[1:]:
        sys.exit(0 if before == after else f"{PAGE}: out of date; python -m tools.feature_page writes it anew")
    PAGE.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
