"""What every feature declares, as rows for a person: one a feature, on whichever timeframes it exists."""

from dataclasses import dataclass
from itertools import groupby

from agv2.core.timeframes import Timeframe
from agv2.features.feature_spec import FeatureColumn, FeatureSpec
from agv2.features.pipeline import feature_columns

__all__ = ["FeatureRow", "feature_rows"]


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One feature, or the whole heat map."""

    name: str
    """`heatmap_00 .. heatmap_31` for the whole heat map."""
    meaning: str
    lookback: int
    """Base bars that it reads itself on the base timeframe."""
    base_lookbacks: tuple[tuple[str, int], ...]
    """Timeframe, and base bars that decide its value there: whatever it is scaled by included."""
    unit: str
    low: float
    high: float
    known_at: str

    @property
    def timeframes(self) -> tuple[str, ...]:
        """On which it exists."""
        return tuple(name for name, _ in self.base_lookbacks)


def feature_rows(timeframe: Timeframe, *, each_heat_column: bool = False) -> tuple[FeatureRow, ...]:
    """Rows in the order of the columns.

    Args:
        timeframe: of the base bars.
        each_heat_column: a row for each column of the heat map; else one for all.
    """
    by_name: dict[str, list[FeatureColumn]] = {}
    for column in feature_columns(timeframe):
        by_name.setdefault(column.spec.name, []).append(column)
    rows = []
    for is_heat, group in groupby(by_name, key=lambda name: by_name[name][0].spec.is_heat):
        names = list(group)
        if is_heat and not each_heat_column:
            first, last = by_name[names[0]][0].spec, by_name[names[-1]][0].spec
            half = len(names) // 2
            meaning = f"density of levels, one volatility a column, from {half} below the close to {half} above it"
            rows.append(_row(f"{first.name} .. {last.name}", meaning, first, by_name[names[0]]))
        else:
            specs = [by_name[name][0].spec for name in names]
            rows += [_row(spec.name, spec.meaning, spec, by_name[spec.name]) for spec in specs]
    return tuple(rows)


def _row(name: str, meaning: str, spec: FeatureSpec, columns: list[FeatureColumn]) -> FeatureRow:
    lookbacks = tuple((column.timeframe, column.lookback) for column in columns)
    return FeatureRow(name, meaning, spec.lookback, lookbacks, spec.unit, spec.low, spec.high, spec.known_at)
