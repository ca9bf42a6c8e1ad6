"""The policy's head predictions of a bar come from an encoder that knows nothing of that bar's outcome."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agv2.app import fold_training
from agv2.app.cross_fitting import block_steps, cross_fit_blocks, cross_fitted_losses, cross_fitted_outputs
from agv2.app.fold_training import FoldEncoder, fit_encoder, market_outputs, training_data
from agv2.app.leakcheck_stages import short_window
from agv2.app.market_preparation import PreparedMarket, market_of
from agv2.app.run import run
from agv2.app.run_plan import RunRequest, make_plan
from agv2.app.settings import Settings, load_settings
from agv2.backtest.walk_forward import Fold
from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.data.bars_file import write_bars
from agv2.features.labels.forward_returns import forward_returns
from agv2.features.labels.regime import regime_labels
from agv2.models import linear_start
from agv2.models.head_scores import head_losses
from agv2.models.masked_model import MaskedModel
from agv2.models.normalizer import Normalizer
from agv2.models.pretraining import PretrainedEncoder
from agv2.models.training_blocks import TrainingBlock
from agv2.models.training_rows import purged_rows
from agv2.utils.config import parse_override
from tests.markets import gappy_bars

N_BARS, TRAIN_HI, N_BLOCKS, STEPS = 4_000, 3_900, 3, 2
SMALL = ("encoder.window=34", "encoder.validation_fraction=0.3", "encoder.channels=8", "encoder.embedding_dim=16")


@pytest.fixture(scope="module")
def settings() -> Settings:
    shipped = load_settings(None, ())
    return replace(shipped, encoder=short_window(shipped.encoder))


@pytest.fixture(scope="module")
def market(settings: Settings) -> PreparedMarket:
    return market_of(gappy_bars(N_BARS), settings)


@pytest.fixture(scope="module")
def fold(market: PreparedMarket) -> Fold:
    return Fold(market.first_decision, TRAIN_HI, TRAIN_HI + 48, N_BARS)


@pytest.fixture(scope="module")
def blocks(market: PreparedMarket, fold: Fold, settings: Settings) -> tuple[TrainingBlock, ...]:
    return cross_fit_blocks([market], [fold], settings, N_BLOCKS)


def fitted(market: PreparedMarket, fold: Fold, settings: Settings, block: TrainingBlock | None) -> FoldEncoder:
    return fit_encoder([market], [fold], settings, STEPS, 0, lambda *_: None, left_out=block)


@pytest.fixture(scope="module")
def encoders(market: PreparedMarket, settings: Settings) -> list[FoldEncoder]:
    """That of the fold and one a block, untrained: who predicts what does not depend on training."""
    normalizer = Normalizer.fit(market.features.values[market.first_decision : TRAIN_HI])
    found = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(1 + N_BLOCKS):
            model = MaskedModel(len(market.features.columns), settings.encoder).eval()
            for weights in model.heads.parameters():
                torch.nn.init.normal_(weights, std=0.1)
            found.append(FoldEncoder(normalizer, PretrainedEncoder(settings.encoder, model)))
    return found


def bars_of(market: PreparedMarket, block: TrainingBlock) -> slice:
    first, stop = np.searchsorted(market.bars.ts_ns, [block.first_ns, block.stop_ns])
    return slice(int(first), int(stop))


@pytest.mark.parametrize("number", range(N_BLOCKS))
def test_no_input_or_target_touches_the_block_or_what_its_targets_read(
    number: int, market: PreparedMarket, fold: Fold, settings: Settings, blocks: tuple[TrainingBlock, ...]
) -> None:
    bars, lead, reach = market.bars, settings.encoder.window - 1, settings.label_reach
    held = bars_of(market, blocks[number])
    read = range(held.start, held.stop + reach)
    _, series = training_data([market], [fold], settings, blocks[number])
    assert len(series) == (1 if number in (0, N_BLOCKS - 1) else 2)
    rows_seen = 0
    for one, rows in zip(series, purged_rows(series, settings.encoder), strict=True):
        start = int(np.searchsorted(bars.ts_ns, one.ts_ns[0]))
        for part in (rows.train, rows.select, rows.score):
            if len(part) == 0:
                continue
            inputs = range(start + part.start - lead, start + part.stop)
            assert inputs.stop <= read.start or read.stop <= inputs.start
            known = np.isfinite(one.future[part.start : part.stop, -1])
            last_read = start + part.start + np.flatnonzero(known)[-1] + settings.encoder.horizons[-1]
            assert last_read < read.start or read.stop <= inputs.start
            rows_seen += len(part)
    assert rows_seen > 1_000


def test_regimes_are_made_from_the_bars_outside_the_block_alone(
    market: PreparedMarket, fold: Fold, settings: Settings, blocks: tuple[TrainingBlock, ...]
) -> None:
    """They are relative to all the bars given, so the block's may not be among these."""
    held = bars_of(market, blocks[1])
    reach = settings.label_reach
    _, series = training_data([market], [fold], settings, blocks[1])
    other = market_of(_scrambled_within(market.bars, held.start, held.stop + reach), settings)
    # The volatility remembers the block for a while; here only its prices are to change.
    other = replace(other, features=market.features)
    _, changed = training_data([other], [fold], settings, blocks[1])
    assert (series[1].regime >= 0).sum() > 300
    for one, same in zip(series, changed, strict=True):
        for name in ("ts_ns", "features", "sigma", "future", "regime", "pattern", "reacted", "level_distance"):
            np.testing.assert_array_equal(getattr(one, name), getattr(same, name), err_msg=name)
    # Made from all training bars together those outside the block would change, so the test can fail.
    after = (series[0].ts_ns[-1] < market.bars.ts_ns) & (blocks[1].resume_ns <= market.bars.ts_ns)
    together = [_regimes(one, fold, settings)[after[: fold.train_hi]] for one in (market, other)]
    assert not np.array_equal(*together)


def _regimes(market: PreparedMarket, fold: Fold, settings: Settings) -> IntArray:
    """Of every bar up to the end of training, none of them left out."""
    _, (whole,) = training_data([market], [fold], settings)
    return np.pad(whole.regime, (fold.train_hi - len(whole), 0), constant_values=-1)


def _scrambled_within(bars: Bars, first: int, stop: int) -> Bars:
    noise = np.exp(np.random.default_rng(3).normal(0.0, 0.05, stop - first))
    columns = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close")}
    for values in columns.values():
        values[first:stop] *= noise
    return replace(bars, **columns)


def test_a_false_label_within_a_block_shows_in_its_in_sample_predictions_and_not_in_the_cross_fitted_ones(
    market: PreparedMarket,
    fold: Fold,
    settings: Settings,
    blocks: tuple[TrainingBlock, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There returns are told to be huge and to follow the sign of the last: a lesson that no fit would miss."""
    poisoned = bars_of(market, blocks[1])
    sign = np.sign(market.features.values[:, 0])

    def false_returns(close: FloatArray, sigma: FloatArray, horizons: tuple[int, ...]) -> FloatArray:
        returns = forward_returns(close, sigma, horizons)
        known = slice(poisoned.start, min(poisoned.stop, len(returns)))
        returns[known] = 8.0 + 4.0 * sign[known, None]
        return returns

    def false_regimes(close: FloatArray, sigma: FloatArray) -> IntArray:
        labels = regime_labels(close, sigma)
        if len(labels) > poisoned.stop:  # made from all bars, the block's among them
            labels[poisoned] = 2
        return labels

    monkeypatch.setattr(linear_start, "ITERATIONS", 5)  # they would take most of the time
    honest = [fitted(market, fold, settings, block) for block in (None, blocks[1])]
    monkeypatch.setattr(fold_training, "forward_returns", false_returns)
    monkeypatch.setattr(fold_training, "regime_labels", false_regimes)
    told = [fitted(market, fold, settings, block) for block in (None, blocks[1])]
    (own, other), (fooled, unmoved) = honest, told
    for name, weights in other.pretrained.arrays().items():
        np.testing.assert_array_equal(weights, unmoved.pretrained.arrays()[name], err_msg=name)
    in_sample = [market_outputs(market, TRAIN_HI, one).part(poisoned).quantiles for one in (own, fooled)]
    assert float((in_sample[1] - in_sample[0]).mean()) > 0.5
    crossed = [
        cross_fitted_outputs([market], [fold], own, blocks[1:2], [one])[0].part(poisoned) for own, one in (honest, told)
    ]
    for name in ("quantiles", "regime_probs", "pattern_probs", "level_probs"):
        np.testing.assert_array_equal(getattr(crossed[0], name), getattr(crossed[1], name), err_msg=name)


def test_embeddings_are_the_folds_own_and_predictions_those_of_the_blocks(
    market: PreparedMarket, fold: Fold, blocks: tuple[TrainingBlock, ...], encoders: list[FoldEncoder]
) -> None:
    own, *others = encoders
    (crossed,) = cross_fitted_outputs([market], [fold], own, blocks, others)
    inside = market_outputs(market, TRAIN_HI, own)
    np.testing.assert_array_equal(crossed.embedding, inside.embedding)
    for block, other in zip(blocks, others, strict=True):
        held, said = bars_of(market, block), market_outputs(market, TRAIN_HI, other)
        for name in ("quantiles", "regime_probs", "pattern_probs", "level_probs"):
            found = getattr(crossed, name)[held]
            np.testing.assert_allclose(found, getattr(said, name)[held], atol=1e-5, err_msg=name)
            assert np.abs(found - getattr(inside, name)[held]).max() > 1e-4, name
    assert len(crossed.rows()) == TRAIN_HI
    assert np.isfinite(crossed.rows()[fold.train_lo :]).all()


def test_on_one_level_a_block_differs_by_its_mean_alone(
    market: PreparedMarket, fold: Fold, blocks: tuple[TrainingBlock, ...], encoders: list[FoldEncoder]
) -> None:
    own, *others = encoders
    (plain,) = cross_fitted_outputs([market], [fold], own, blocks, others)
    (level,) = cross_fitted_outputs([market], [fold], own, blocks, others, one_level=True)
    inside = market_outputs(market, TRAIN_HI, own)
    for name in ("embedding", "regime_probs", "pattern_probs", "level_probs"):
        np.testing.assert_array_equal(getattr(level, name), getattr(plain, name), err_msg=name)
    n_levels = len(own.pretrained.config.quantile_levels)
    middle = own.pretrained.config.quantile_levels.index(0.5)
    for block in blocks:
        held = bars_of(market, block)
        found, before, aim = (one.quantiles[held].reshape(-1, 3, n_levels) for one in (level, plain, inside))
        assert (np.diff(found, axis=-1) >= 0.0).all()
        np.testing.assert_allclose(found.mean(axis=(0, 2)), aim.mean(axis=(0, 2)), atol=1e-4)
        moved = (found - before)[:, :, middle]
        assert np.abs(np.median(moved, axis=0)).max() > 1e-3, "the encoders differ"
        assert (np.abs(moved - np.median(moved, axis=0)) < 1e-5).mean() > 0.5, "by one number"


def test_the_losses_are_those_of_the_rows_that_taught_the_folds_encoder(
    market: PreparedMarket,
    fold: Fold,
    settings: Settings,
    blocks: tuple[TrainingBlock, ...],
    encoders: list[FoldEncoder],
) -> None:
    """Were each block's encoder the fold's own, they would be its training losses."""
    own, *others = encoders
    same = cross_fitted_outputs([market], [fold], own, blocks, [own] * N_BLOCKS)
    normalizer, series = training_data([market], [fold], settings)
    np.testing.assert_allclose(normalizer.mean, own.normalizer.mean)
    rows = [split.train for split in purged_rows(series, settings.encoder)]
    in_sample = head_losses(own.pretrained.model, series, rows, settings.encoder)
    losses = cross_fitted_losses([market], [fold], settings, same)
    assert set(losses) == {"quantiles", "regime", "pattern", "levels"}
    for head, loss in losses.items():
        assert loss == pytest.approx(in_sample[head], rel=1e-5)
    crossed = cross_fitted_outputs([market], [fold], own, blocks, others)
    assert cross_fitted_losses([market], [fold], settings, crossed) != losses


def test_steps_are_in_proportion_to_the_rows_that_are_left(
    market: PreparedMarket, fold: Fold, settings: Settings, blocks: tuple[TrainingBlock, ...]
) -> None:
    steps = [block_steps([market], [fold], settings, block, 1_000) for block in blocks]
    assert all(500 < each < 700 for each in steps)
    # In the middle both sides of the block are purged.
    assert steps[1] < min(steps[0], steps[2])


def test_too_few_bars_for_what_is_asked_are_no_blocks(market: PreparedMarket, settings: Settings) -> None:
    short = Fold(market.first_decision, market.first_decision + 700, N_BARS, N_BARS)
    assert cross_fit_blocks([market], [short], settings, 2) == ()
    longer = short._replace(train_hi=market.first_decision + 1_800)
    assert len(cross_fit_blocks([market], [longer], settings, 2)) == 2
    assert cross_fit_blocks([market], [longer], settings, 1) == ()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two markets that are not open at the same times."""
    folder = tmp_path_factory.mktemp("bars")
    found = []
    for symbol, seed in (("ONE", 1), ("TWO", 2)):
        found.append(folder / f"{symbol}_1h.parquet")
        write_bars(replace(gappy_bars(3_000, seed=seed), symbol=symbol), found[-1])
    return found


def carry_out(files: list[Path], out: Path, home: Path, *, resume: bool = False) -> dict[str, Any]:
    """The summary of a small run without its times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGV2_SMOKE", "1")
        patch.setenv("AGV2_HOME", str(home))
        overrides = tuple(parse_override(text) for text in SMALL)
        run(RunRequest(bars=tuple(files), out=out, seed=7, quiet=True, resume=resume, overrides=overrides))
    document: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert sum("block" in stage for stage in document.pop("runtime_s")) == 2
    return document


@pytest.fixture(scope="module")
def portfolio(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("run")
    return folder / "out", carry_out(files, folder / "out", folder / "home")


def test_a_portfolio_is_cross_fitted_and_says_what_that_changed(portfolio: tuple[Path, dict[str, Any]]) -> None:
    out, summary = portfolio
    document = json.loads((out / "folds/1/fold.json").read_text(encoding="utf-8"))
    scores = {head["head"]: head["cross_fitted_score"] for head in document["encoder"]}
    assert scores.pop("reconstruction") is None
    assert all(score > 0.0 for score in scores.values())
    assert sum(note.startswith("policy: the head predictions that it is trained on") for note in summary["notes"]) == 1
    assert "What the policy was trained on" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "lost",
    [
        ("folds/1/block_2/encoder.json", "folds/1/cross_fitted.json", "folds/1/policy_0.json"),
        ("folds/1/policy_0.json",),
        ("folds/1/cross_fitted.json",),
    ],
)
def test_a_killed_run_goes_on_to_the_same_summary(
    lost: tuple[str, ...], portfolio: tuple[Path, dict[str, Any]], files: list[Path], tmp_path: Path
) -> None:
    whole, summary = portfolio
    out = Path(shutil.copytree(whole, tmp_path / "run"))
    for name in (*lost, "report.html", "summary.json", "folds/1/oos/done.json"):
        (out / name).unlink()
    assert carry_out(files, out, whole.parent / "home", resume=True) == summary


@pytest.mark.parametrize(
    ("profile", "settings", "said"),
    [
        ("quick", [], "fold 1: the head predictions that the policy is trained on are the encoder's of its own"),
        ("quick", ["backtest.profiles.smoke.cross_fit_blocks=0"], "profile smoke: the head predictions that"),
        ("quick", list(SMALL), None),
    ],
)
def test_a_run_says_where_predictions_are_in_sample(
    profile: str, settings: list[str], said: str | None, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGV2_SMOKE", "1")
    overrides = tuple(parse_override(text) for text in settings)
    plan = make_plan(RunRequest((files[0],), files[0].parent / "run", profile=profile, overrides=overrides))
    notes = [note for note in plan.notes if "the head predictions that the policy is trained on" in note]
    assert [note.startswith(said) for note in notes if said] == ([True] if said else [])
    assert bool(notes) == (said is not None)
