"""What teaches an encoder and what scores it, of a file of windows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from agv2.app.encoder_training.bars_plan import plan_from_bars
from agv2.app.encoder_training.plan import EncoderPlan, EncoderRequest
from agv2.app.encoder_training.windows_plan import plan_from_windows
from agv2.app.settings import Settings, load_settings
from agv2.app.window_export import ExportRequest, plan_export
from agv2.core.bars import Bars
from agv2.core.errors import AGV2Error, ConfigError, DataError
from agv2.data.bars_file import write_bars
from agv2.utils.config import parse_override
from tests.markets import gappy_bars
from tests.quality_markets import clean_bars

N_BARS, WINDOW = 3_000, 32
SMALL = ("encoder.channels=8", "encoder.mask_span=4")
BARS = gappy_bars(N_BARS)


def settings_with(*texts: str) -> Settings:
    return load_settings(None, [parse_override(text) for text in (f"encoder.window={WINDOW}", *SMALL, *texts)])


def exported(folder: Path, *markets: Bars, **options: Any) -> Path:
    paths = []
    for bars in markets:
        paths.append(folder / f"{bars.symbol}_1h.parquet")
        write_bars(bars, paths[-1])
    request = ExportRequest(tuple(paths), (), folder / "windows.parquet", **{"window": WINDOW, "stride": 1, **options})
    plan_export(request, load_settings(None, ())).write()
    return request.out


def planned(path: Path, *texts: str, **options: Any) -> EncoderPlan:
    settings = settings_with(*texts)
    overrides = tuple(parse_override(text) for text in texts)
    return plan_from_windows(EncoderRequest(windows=path, overrides=overrides, **options), settings)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("windows"), BARS)


def without(path: Path, folder: Path, *columns: str) -> Path:
    """The same file as another tool would have it: fewer columns, and nothing said about itself."""
    pl.read_parquet(path).drop(columns).write_parquet(folder / "other.parquet")
    return folder / "other.parquet"


def test_it_is_the_plan_of_the_bars_that_the_windows_were_made_of(file: Path, tmp_path: Path) -> None:
    plan = planned(file)
    bars = tmp_path / "TEST_1h.parquet"
    write_bars(BARS, bars)
    other = plan_from_bars(EncoderRequest(bars=(bars,)), settings_with())
    assert (plan.fit_rows, plan.score_rows, plan.spans) == (other.fit_rows, other.score_rows, other.spans)
    assert plan.features == other.features
    assert plan.linear_inputs is not None
    assert other.linear_inputs is not None
    np.testing.assert_array_equal(plan.linear_inputs.every_head, other.linear_inputs.every_head)
    assert plan.linear_inputs.nearest == other.linear_inputs.nearest
    (whole,), (same,) = plan.whole, other.whole
    rows = slice(WINDOW - 1, None)
    for name in ("ts_ns", "sigma"):
        np.testing.assert_array_equal(getattr(whole, name)[rows], getattr(same, name)[rows], err_msg=name)
    for name in ("features", "future", "pattern", "reacted", "level_distance"):
        np.testing.assert_allclose(
            getattr(whole, name)[rows], getattr(same, name)[rows], rtol=2e-6, atol=1e-5, err_msg=name
        )
    # Their last labels would look at bars after them; both leave these out, in their own way.
    np.testing.assert_allclose(plan.fit[0].future[rows][:-48], other.fit[0].future[rows][:-48], rtol=2e-6, atol=1e-6)
    assert np.isnan(plan.fit[0].future[-48:]).all()
    assert (plan.fit[0].reacted[-48:] == -1).all()
    assert any("relative to all its bars" in note for note in plan.notes)


def test_windows_apart_teach_where_they_end(file: Path, tmp_path: Path) -> None:
    dense, sparse = planned(file), planned(exported(tmp_path, BARS, stride=5))
    (every,), (few,) = dense.whole, sparse.whole
    assert abs(len(every) - len(few)) < 5
    ends = np.arange(WINDOW - 1, len(few), 5)
    np.testing.assert_array_equal(few.future[ends], every.future[ends])
    np.testing.assert_array_equal(few.regime[ends], every.regime[ends])
    between = np.setdiff1d(np.arange(len(few)), ends)
    assert np.isnan(few.future[between]).all()
    assert (few.pattern[between] == -1).all()
    assert (np.diff(few.ts_ns) > 0).all()
    assert sparse.unusable_baselines == {"EWMA", "HAR", "GARCH-t"}
    assert any("windows lie 5 bars apart" in note for note in sparse.notes)


def test_features_that_were_scaled_stay_and_bring_their_scaling(file: Path, tmp_path: Path) -> None:
    scaled = planned(exported(tmp_path, BARS, normalised=True))
    raw = planned(file)
    np.testing.assert_allclose(
        scaled.whole[0].level_distance, raw.whole[0].level_distance, atol=1e-3, err_msg="read back from scaled features"
    )
    values = scaled.whole[0].features
    back = values * scaled.normalizer.scale + scaled.normalizer.mean
    np.testing.assert_array_equal(scaled.normalizer.transform(back.astype(np.float32))[:, 0], values[:, 0])
    assert scaled.normalizer.mean.shape == raw.normalizer.mean.shape
    assert not np.array_equal(scaled.normalizer.mean, raw.normalizer.mean)


def test_several_symbols_are_one_plan(tmp_path: Path) -> None:
    gold, silver = clean_bars(N_BARS), clean_bars(N_BARS, symbol="XAGUSD", seed=1)
    plan = planned(exported(tmp_path, gold, silver))
    assert [(span.symbol, span.asset_class) for span in plan.spans] == [("XAUUSD", "metal"), ("XAGUSD", "metal")]
    starts = [one.ts_ns[rows.start] for one, rows in zip(plan.whole, plan.score_rows, strict=True)]
    assert starts[0] == starts[1]


def test_bars_whose_labels_nobody_may_know_are_left_out(tmp_path: Path) -> None:
    until_ns = int(BARS.close_ns[2_500])
    plan = planned(exported(tmp_path, BARS, until_ns=until_ns))
    assert plan.spans[0].last_ns + 3_600_000_000_000 <= until_ns
    assert (plan.whole[0].regime[plan.score_rows[0].start :] >= 0).all()


@pytest.mark.parametrize(
    ("head", "column"),
    [
        ("regime", "regime_label"),
        ("pattern", "pattern_label"),
        ("levels", "sr_heatmap"),
        ("quantiles", "future_returns"),
    ],
)
def test_a_head_without_its_column_is_left_out_and_said_so(file: Path, tmp_path: Path, head: str, column: str) -> None:
    path = without(file, tmp_path, column)
    plan = planned(path)
    assert head not in plan.heads
    assert len(plan.heads) == 4
    assert f"the file has no column {column}: head {head} is neither trained nor scored" in plan.notes
    for asked in (f"encoder.head_weights.{head}=0.7", f"encoder.head_weights.{head}={_shipped(head)}"):
        with pytest.raises(DataError, match=rf"has no column {column}, but encoder.head_weights.{head} is"):
            planned(path, asked)
    assert head not in planned(path, f"encoder.head_weights.{head}=0").heads


def _shipped(head: str) -> float:
    return float(getattr(settings_with().encoder.head_weights, head))


def test_a_file_of_another_tool_needs_features_alone(file: Path, tmp_path: Path) -> None:
    names = [name for name in pl.read_parquet_schema(file) if name != "features"]
    path = without(file, tmp_path, *names)
    plan = planned(path)
    assert plan.heads == ("reconstruction",)
    assert plan.features[0] == ("feature_0", 0)
    assert plan.linear_inputs is None
    assert plan.spans[0].symbol == "other"
    assert np.isnan(plan.whole[0].level_distance).all()


def test_numbers_of_another_meaning_teach_no_map_of_levels(file: Path, tmp_path: Path) -> None:
    frame = pl.read_parquet(file)
    heat = np.random.default_rng(0).random((frame.height, 16)).astype(np.float32)
    frame.with_columns(pl.Series("sr_heatmap", heat)).write_parquet(tmp_path / "other.parquet")
    plan = planned(tmp_path / "other.parquet")
    assert "levels" not in plan.heads
    assert any("knows no target in sr_heatmap" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("texts", "options", "error", "said"),
    [
        (("encoder.window=64",), {}, DataError, "windows of 32 bars are shorter than the 64 that the encoder reads"),
        (
            ("encoder.horizons=[1, 5, 12]",),
            {},
            DataError,
            "future_returns are over 1, 3, 12 bars, encoder.horizons are",
        ),
        (("encoder.horizons=[1, 3]",), {}, DataError, "future_returns are over"),
        ((), {"symbols": ("GOLD",)}, ConfigError, "--symbol belongs to --bars"),
        ((), {"accept_defects": True}, ConfigError, "--accept-defects belongs to --bars"),
        ((), {"holdout_frac": 0.97}, DataError, "--holdout 0.97"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(
    file: Path, texts: tuple[str, ...], options: dict[str, Any], error: type[AGV2Error], said: str
) -> None:
    with pytest.raises(error, match=said):
        planned(file, *texts, **options)


def test_windows_longer_than_what_the_encoder_reads_will_do(tmp_path: Path) -> None:
    longer = planned(exported(tmp_path, BARS, window=48))
    assert longer.config.window == WINDOW
    assert len(longer.whole[0]) == N_BARS - 1_488 - 16
    assert longer.fit_rows[0].start == WINDOW - 1


def test_symbols_without_stamps_cannot_be_told_apart_in_time(file: Path, tmp_path: Path) -> None:
    frame = pl.read_parquet(file)
    both = pl.concat([frame, frame.with_columns(symbol=pl.lit("B"))]).drop("ts")
    both.write_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match="2 symbols and no column ts"):
        planned(tmp_path / "other.parquet")


def test_the_identity_follows_the_content(file: Path, tmp_path: Path) -> None:
    plan = planned(file)
    assert planned(file).identity == plan.identity
    changed = replace(BARS, close=np.minimum(BARS.close * 1.00001, BARS.high))
    other = planned(exported(tmp_path, changed))
    assert [name for name in plan.identity if plan.identity[name] != other.identity[name]] == ["--data"]
