"""Windows as they are exported: those of the feature matrix, with labels from the bars that may be learned from."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from agv2.app import window_export
from agv2.app.settings import load_settings
from agv2.app.window_export import ExportRequest, plan_export
from agv2.core.bars import Bars
from agv2.core.errors import ConfigError, DataError
from agv2.data.bars_file import write_bars
from agv2.data.price_action.window_columns import CLASSES, RowColumns
from agv2.data.price_action_dataset import WindowDataset, read_windows
from agv2.features.labels.forward_returns import forward_returns
from agv2.features.labels.level_reaction import level_reactions
from agv2.features.labels.regime import regime_labels
from agv2.features.pipeline import FeatureMatrix, compute_features
from agv2.models.normalizer import Normalizer
from tests.markets import scrambled_after
from tests.quality_markets import clean_bars

SETTINGS = load_settings(None, [])
GOLD, SILVER = clean_bars(1_800), clean_bars(1_700, seed=1, symbol="XAGUSD")
WINDOW = 32
KNOWN = 1_700


def matrix_of(bars: Bars) -> FeatureMatrix:
    return compute_features(bars, SETTINGS.markets.instrument(bars.symbol, bars.ts_ns)[0].calendar)


class Exported(NamedTuple):
    dataset: WindowDataset
    features: Any
    columns: RowColumns


def exported(folder: Path, *markets: Bars, **options: Any) -> Exported:
    paths = []
    for bars in markets or (GOLD,):
        paths.append(folder / f"{bars.symbol}_1h.parquet")
        write_bars(bars, paths[-1])
    out = folder / "windows.parquet"
    plan = plan_export(ExportRequest(tuple(paths), (), out, force=True, **{"window": WINDOW, **options}), SETTINGS)
    plan.write()
    dataset = read_windows(out)
    assert dataset.n == plan.n_windows
    parts = list(dataset.batches())
    return Exported(
        dataset, np.concatenate([part.features for part in parts]), RowColumns.joined([part.columns for part in parts])
    )


def last_rows(matrix: FeatureMatrix, stride: int = 1) -> Any:
    return np.arange(matrix.warmup + WINDOW - 1, len(matrix.values), stride)


def test_the_windows_are_those_of_the_feature_matrix(tmp_path: Path) -> None:
    got, matrix = exported(tmp_path), matrix_of(GOLD)
    rows = last_rows(matrix)
    assert got.features.shape == (rows.size, WINDOW, len(matrix.columns))
    for window, row in zip(got.features, rows, strict=True):
        np.testing.assert_array_equal(window, matrix.values[row - WINDOW + 1 : row + 1])
    np.testing.assert_array_equal(got.columns.ts_ns, GOLD.ts_ns[rows])
    np.testing.assert_array_equal(got.columns.sigma, matrix.sigma[rows])
    assert got.dataset.feature_names == matrix.names
    np.testing.assert_array_equal(got.dataset.series().features, matrix.values[matrix.warmup :])


def test_the_labels_are_those_of_the_label_functions(tmp_path: Path) -> None:
    got, matrix = exported(tmp_path), matrix_of(GOLD)
    rows = last_rows(matrix)
    found = got.columns.present()
    np.testing.assert_array_equal(found["regime_label"], regime_labels(GOLD.close, matrix.sigma)[rows])
    reactions = level_reactions(GOLD.high, GOLD.low, GOLD.close, matrix.sigma)
    np.testing.assert_array_equal(found["sr_heatmap"], reactions[rows])
    returns = forward_returns(GOLD.close, matrix.sigma, SETTINGS.encoder.horizons)
    np.testing.assert_array_equal(found["future_returns"], returns[rows].astype(np.float32))
    assert set(np.unique(found["pattern_label"])) <= {-1, 0, 1, 2}
    for name in ("sr_heatmap", "pattern_label"):
        assert (found[name][-1] == -1).all()  # nobody knows yet
        assert (found[name][:-48] >= 0).any()


def test_later_bars_change_no_label_and_no_scaling(tmp_path: Path) -> None:
    until_ns = int(GOLD.close_ns[KNOWN - 1])
    options = {"until_ns": until_ns, "normalised": True}
    one = exported(tmp_path, **options)
    other = exported(tmp_path, scrambled_after(GOLD, KNOWN - 1), accept_defects=True, **options)
    assert one.dataset.header is not None
    assert other.dataset.header is not None
    assert one.dataset.header.scaling == other.dataset.header.scaling
    labels = one.columns.present()
    for name in (*CLASSES, "future_returns"):
        np.testing.assert_array_equal(labels[name], other.columns.present()[name], err_msg=name)
    later = last_rows(matrix_of(GOLD)) >= KNOWN
    assert later.any()
    assert all((labels[name][later] == -1).all() for name in CLASSES)
    assert np.isnan(labels["future_returns"][later]).all()
    # The last bars before then look ahead of it, and may not.
    assert np.isnan(labels["future_returns"][~later][-1]).all()
    assert (labels["regime_label"][~later] >= 0).all()


def test_normalised_windows_are_scaled_by_the_known_bars(tmp_path: Path) -> None:
    got, matrix = exported(tmp_path, normalised=True, until_ns=int(GOLD.close_ns[KNOWN - 1])), matrix_of(GOLD)
    scaled = Normalizer.fit(matrix.values[:KNOWN]).transform(matrix.values)
    np.testing.assert_array_equal(got.features[:, -1], scaled[last_rows(matrix)])
    assert got.dataset.header is not None
    scaling = got.dataset.header.scaling
    assert scaling is not None
    again = np.clip((matrix.values - np.array(scaling.mean)) / np.array(scaling.scale), -scaling.clip, scaling.clip)
    np.testing.assert_array_equal(got.features[:, -1], again.astype(np.float32)[last_rows(matrix)])


def test_several_symbols_share_one_file_and_one_scaling(tmp_path: Path) -> None:
    got = exported(tmp_path, GOLD, SILVER, normalised=True)
    gold, silver = matrix_of(GOLD), matrix_of(SILVER)
    scaling = Normalizer.fit(np.concatenate([gold.values, silver.values]))
    names = np.array(["XAUUSD"] * last_rows(gold).size + ["XAGUSD"] * last_rows(silver).size)
    np.testing.assert_array_equal(got.columns.symbol, names)
    np.testing.assert_array_equal(
        got.dataset.series("XAGUSD").features, scaling.transform(silver.values[silver.warmup :])
    )
    assert got.dataset.header is not None
    assert [each.symbol for each in got.dataset.header.bars] == ["XAUUSD", "XAGUSD"]


def test_a_stride_leaves_windows_out(tmp_path: Path) -> None:
    got, matrix = exported(tmp_path, stride=7), matrix_of(GOLD)
    rows = last_rows(matrix, 7)
    np.testing.assert_array_equal(got.columns.ts_ns, GOLD.ts_ns[rows])
    np.testing.assert_array_equal(got.features[:, -1], matrix.values[rows])
    np.testing.assert_array_equal(got.columns.present()["regime_label"], regime_labels(GOLD.close, matrix.sigma)[rows])


def test_without_a_stride_all_windows_fit_into_what_is_usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_export, "_USUAL_UNPACKED_BYTES", 1_000_000)
    got = exported(tmp_path)
    assert got.dataset.header is not None
    assert got.dataset.header.stride > 1
    assert 500_000 < got.features.nbytes < 1_100_000


def test_without_labels_there_are_none(tmp_path: Path) -> None:
    got = exported(tmp_path, labels=False)
    assert got.columns.present().keys() == {"ts_ns", "symbol", "sigma"}
    assert got.dataset.header is not None
    assert (got.dataset.header.horizons, got.dataset.header.classes) == ((), {})


def test_the_classes_are_named_and_as_many_as_a_reader_expects(tmp_path: Path) -> None:
    header = exported(tmp_path).dataset.header
    assert header is not None
    assert {name: len(classes) for name, classes in header.classes.items()} == dict(CLASSES)
    assert header.classes["regime_label"] == ("trend", "consolidation", "volatile")
    assert header.classes["pattern_label"] == ("neither", "breakout", "reversal")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"window": 500}, "1,800 bars are too few; 1,988 are needed for one window of 500 bars"),
        ({"until_ns": int(GOLD.ts_ns[900])}, "no window ends before it"),
    ],
)
def test_too_few_bars_are_refused(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        exported(tmp_path, **options)
    assert not (tmp_path / "windows.parquet").exists()


def test_an_until_that_changes_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--until changes nothing"):
        exported(tmp_path, labels=False, until_ns=int(GOLD.ts_ns[-1]))


def test_bars_with_errors_are_refused_unless_accepted(tmp_path: Path) -> None:
    columns = {name: getattr(GOLD, name).copy() for name in ("open", "high", "low", "close")}
    for values in columns.values():
        values[200:1_000] = GOLD.close[199]
    stale = replace(GOLD, **columns)
    with pytest.raises(DataError, match="--accept-defects"):
        exported(tmp_path, stale)
    assert len(exported(tmp_path, stale, accept_defects=True).features)
