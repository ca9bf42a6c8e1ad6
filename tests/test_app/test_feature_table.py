"""Rows of features are what the columns declare."""

import pytest

from agv2.app.feature_table import feature_rows
from agv2.core.timeframes import Timeframe
from agv2.features.pipeline import FEATURES, feature_columns


@pytest.mark.parametrize("timeframe", ["1m", "1h", "1d"])
def test_every_column_has_its_row(timeframe: str) -> None:
    base = Timeframe.parse(timeframe)
    told = {
        (row.name, name, lookback)
        for row in feature_rows(base, each_heat_column=True)
        for name, lookback in row.base_lookbacks
    }
    assert told == {(column.spec.name, column.timeframe, column.lookback) for column in feature_columns(base)}


def test_rows_say_what_features_declare_in_their_order() -> None:
    rows = feature_rows(Timeframe.parse("1h"), each_heat_column=True)
    assert [(row.name, row.meaning, row.lookback, row.unit, row.low, row.high, row.known_at) for row in rows] == [
        (spec.name, spec.meaning, spec.lookback, spec.unit, spec.low, spec.high, spec.known_at) for spec in FEATURES
    ]
    assert rows[-1].timeframes == ("1h", "4h", "1d")
    assert next(row for row in rows if row.name == "session_asia").timeframes == ("1h",)


def test_the_heat_map_is_one_row_unless_asked_for() -> None:
    few, all_rows = (feature_rows(Timeframe.parse("1h"), each_heat_column=each) for each in (False, True))
    assert len(all_rows) - len(few) == 31
    assert few[-1].name == "heatmap_00 .. heatmap_31"
    assert few[-1].base_lookbacks == all_rows[-1].base_lookbacks
    assert few[:-1] == all_rows[:-32]
