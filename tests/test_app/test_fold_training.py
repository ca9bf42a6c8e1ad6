"""What a fold is fitted on."""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from agv2.app import fold_training
from agv2.app.fold_training import FoldEncoder, fit_encoder, make_tapes, one_pass_deviation
from agv2.app.market_preparation import PreparedMarket, prepare_markets
from agv2.app.settings import Settings, load_settings
from agv2.backtest.walk_forward import Fold
from agv2.core.bars import Bars
from agv2.data.bars_file import write_bars
from agv2.data.config import MarketConfig
from agv2.features.labels.bar_labels import bar_labels
from agv2.features.labels.breakout import HORIZON as PATTERN_HORIZON
from agv2.features.labels.level_reaction import HORIZON as REACTION_HORIZON
from agv2.features.labels.level_reaction import REACTION_BINS, Reaction
from agv2.features.support_resistance import level_density, nearest_levels
from agv2.models.config import ASSET_CLASSES
from agv2.models.head_outputs import LEVEL_BANDS
from agv2.models.masked_model import MaskedModel
from agv2.models.normalizer import Normalizer
from agv2.models.pretraining import PretrainedEncoder
from agv2.models.training_rows import BY_BAR, TrainingSeries, validation_starts
from agv2.utils.config import parse_override
from tests.markets import gappy_bars, scrambled_after

TRAIN_HI, TEST_LO, N_BARS = 2_900, 2_912, 3_200


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(None, ())


def prepared(bars: Bars, settings: Settings, folder: Any) -> PreparedMarket:
    file = folder / "TEST_1h.parquet"
    write_bars(bars, file)
    (market,) = prepare_markets([file], [], settings)
    return market


def taught(
    market: PreparedMarket, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> tuple[Normalizer, TrainingSeries]:
    """Everything that `fit_encoder` hands to training."""
    seen: list[TrainingSeries] = []

    def remember(series: list[TrainingSeries], *_: object, **__: object) -> object:
        seen.extend(series)
        return object()

    monkeypatch.setattr(fold_training, "pretrain", remember)
    fold = Fold(market.first_decision, TRAIN_HI, TEST_LO, N_BARS)
    encoder = fit_encoder([market], [fold], settings, 1, 0, lambda *_: None)
    return encoder.normalizer, seen[0]


def test_no_target_statistic_or_input_uses_a_test_bar(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every test bar replaced, training is handed the same numbers."""
    bars = gappy_bars(N_BARS)
    normalizer, series = taught(prepared(bars, settings, tmp_path_factory.mktemp("a")), settings, monkeypatch)
    changed = scrambled_after(bars, TRAIN_HI - 1)
    other_normalizer, other = taught(prepared(changed, settings, tmp_path_factory.mktemp("b")), settings, monkeypatch)

    np.testing.assert_array_equal(normalizer.mean, other_normalizer.mean)
    np.testing.assert_array_equal(normalizer.scale, other_normalizer.scale)
    for name in BY_BAR:
        np.testing.assert_array_equal(getattr(series, name), getattr(other, name), err_msg=name)
    assert series.ts_ns[-1] < bars.ts_ns[TEST_LO]


def test_the_last_horizon_of_training_bars_has_no_target(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = prepared(gappy_bars(N_BARS), settings, tmp_path_factory.mktemp("c"))
    _, series = taught(market, settings, monkeypatch)
    for column, horizon in enumerate(settings.encoder.horizons):
        assert np.isnan(series.future[-horizon:, column]).all()
        assert np.isfinite(series.future[-horizon - 1, column])
    assert (series.reacted[-REACTION_HORIZON:] == -1).all()
    assert (series.reacted[-REACTION_HORIZON - 1] >= 0).all()
    assert (series.pattern[-PATTERN_HORIZON:] == -1).all()
    assert (series.pattern[-PATTERN_HORIZON - 200 : -PATTERN_HORIZON] >= 0).any()
    assert series.label_reach == settings.label_reach == max(REACTION_HORIZON, PATTERN_HORIZON)


def test_head_targets_are_those_of_the_labels(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patterns and turns of the training bars as `bar_labels` makes them from levels that are computed anew."""
    market = prepared(gappy_bars(N_BARS), settings, tmp_path_factory.mktemp("d"))
    _, series = taught(market, settings, monkeypatch)
    past, sigma = market.bars.slice(0, TRAIN_HI), market.features.sigma[:TRAIN_HI]
    density = level_density(past.high, past.low, past.close, sigma)
    made = bar_labels(past, sigma, nearest_levels(density))
    np.testing.assert_array_equal(series.pattern, made.pattern[-len(series) :])
    reaction = made.reaction[-len(series) :]
    np.testing.assert_array_equal(series.reacted == 1, reaction == Reaction.REACTED)
    np.testing.assert_array_equal(series.reacted == -1, reaction == Reaction.UNKNOWN)
    nearest = nearest_levels(density)
    is_drawn = nearest.above_strength[-len(series) :] > 0.0
    np.testing.assert_array_equal(np.isfinite(series.level_distance[:, 0]), is_drawn)
    np.testing.assert_array_equal(series.level_distance[is_drawn, 0], nearest.above[-len(series) :][is_drawn])


def test_the_model_has_an_output_for_every_band_and_a_number_for_every_class_of_market() -> None:
    assert LEVEL_BANDS == REACTION_BINS
    assert set(ASSET_CLASSES) == set(get_args(MarketConfig.model_fields["asset_class"].annotation))


def test_a_training_bar_that_changes_is_noticed(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the first test could not fail."""
    bars = gappy_bars(N_BARS)
    _, series = taught(prepared(bars, settings, tmp_path_factory.mktemp("d")), settings, monkeypatch)
    close = bars.close.copy()
    close[TRAIN_HI - 1] = bars.high[TRAIN_HI - 1]
    changed = replace(bars, close=close)
    _, other = taught(prepared(changed, settings, tmp_path_factory.mktemp("e")), settings, monkeypatch)
    assert not np.array_equal(series.features, other.features)


def test_the_encoders_validation_bars_do_not_colour_the_regimes_of_its_training_bars(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regimes are ranks among the bars given, so validation bars get theirs apart."""
    bars = gappy_bars(N_BARS)
    market = prepared(bars, settings, tmp_path_factory.mktemp("f"))
    _, series = taught(market, settings, monkeypatch)
    starts_ns, _ = validation_starts([series.ts_ns], settings.encoder)
    split = int(np.searchsorted(bars.ts_ns, starts_ns))
    changed = scrambled_after(bars, split - 1)
    _, other = taught(prepared(changed, settings, tmp_path_factory.mktemp("g")), settings, monkeypatch)
    training = series.ts_ns < starts_ns
    assert (series.regime[training] >= 0).sum() > 500
    np.testing.assert_array_equal(series.regime[training], other.regime[training])


@pytest.mark.parametrize("backbone", ["tcn", "lstm"])
def test_the_deviation_told_is_that_of_the_rows_the_policy_reads(backbone: str, tmp_path: Path) -> None:
    settings = load_settings(None, [parse_override(f"encoder.backbone={backbone}")])
    market = prepared(gappy_bars(N_BARS), settings, tmp_path)
    torch.manual_seed(0)
    model = MaskedModel(len(market.features.columns), settings.encoder).eval()
    normalizer = Normalizer.fit(market.features.values[market.features.warmup :])
    encoder = FoldEncoder(normalizer, PretrainedEncoder(settings.encoder, model))
    found = one_pass_deviation(market, N_BARS, encoder, seed=3)

    (tape,) = make_tapes([market], [N_BARS], encoder)
    lead, size = settings.encoder.window - 1, settings.encoder.embedding_dim
    apart = []
    for bar in range(market.first_decision, N_BARS):
        window = normalizer.transform(market.features.values[bar - lead : bar + 1])
        with torch.inference_mode():
            alone = model.encoder(torch.from_numpy(window)[None])[0, 0].numpy()
        apart.append(np.abs(alone - tape.market_rows[bar, :size]).max())
    assert found.bars == 64
    assert float(np.median(apart)) <= found.embedding <= max(apart) + 1e-6
    assert (found.embedding < 1e-5) == (backbone == "tcn")
