"""What held-out rows tell beside the comparison with baselines."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from agv2.app.encoder_training.bars_plan import plan_from_bars
from agv2.app.encoder_training.plan import EncoderPlan, EncoderRequest
from agv2.app.encoder_training.scoring import ablated_heads, head_reliability, held_out_losses
from agv2.app.settings import load_settings
from agv2.data.bars_file import write_bars
from agv2.models.evidence.head_evidence import head_evidence
from agv2.models.masked_model import MaskedModel
from agv2.utils.config import parse_override
from tests.quality_markets import clean_bars

SMALL = ("encoder.window=32", "encoder.channels=8", "encoder.mask_span=4", "encoder.head_weights.regime=0")


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> EncoderPlan:
    folder = tmp_path_factory.mktemp("plan")
    paths = [folder / f"{symbol}_1h.parquet" for symbol in ("XAUUSD", "XAGUSD")]
    for seed, path in enumerate(paths):
        write_bars(clean_bars(3_000, symbol=path.stem[:6], seed=seed), path)
    settings = load_settings(None, [parse_override(text) for text in SMALL])
    return plan_from_bars(EncoderRequest(bars=tuple(paths)), settings)


def a_model(plan: EncoderPlan, seed: int) -> MaskedModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MaskedModel(len(plan.features), plan.config).eval()
        for part in model.parameters():
            torch.nn.init.normal_(part, std=0.1)
    return model


@pytest.fixture(scope="module")
def models(plan: EncoderPlan) -> list[MaskedModel]:
    return [a_model(plan, seed) for seed in (0, 1)]


def test_losses_are_those_of_the_evidence(plan: EncoderPlan, models: list[MaskedModel]) -> None:
    found = held_out_losses(plan, models, plan.heads)
    evidence = head_evidence(models, plan.whole, plan.fit_rows, plan.score_rows, plan.config, costly=False, seed=7)
    for head in ("pattern", "levels", "reconstruction"):
        own = [each for each in evidence if each.head == head]
        mean = sum(each.loss * each.n_rows for each in own) / sum(each.n_rows for each in own)
        assert np.nanmean(found[head].losses) == pytest.approx(mean, rel=1e-3 if head == "levels" else 1e-9)
    assert {head: len(rows.losses) for head, rows in found.items()} == {
        head: len(rows.ts_ns) for head, rows in found.items()
    }


def test_a_missing_head_that_changes_nothing_costs_nothing(plan: EncoderPlan, models: list[MaskedModel]) -> None:
    whole = held_out_losses(plan, models, plan.heads)
    heads = [head for head in plan.heads if head != "pattern"]
    same = ablated_heads(plan, whole, "pattern", held_out_losses(plan, models, heads))
    assert [each.head for each in same] == heads
    assert all(each.without == "pattern" and each.change.mean == 0.0 for each in same)
    dearer = {head: rows._replace(losses=rows.losses + 0.1) for head, rows in whole.items() if head in heads}
    for each in ablated_heads(plan, whole, "pattern", dearer):
        assert each.change.mean == pytest.approx(0.1)
        assert each.loss == pytest.approx(np.nanmean(whole[each.head].losses))


def test_every_event_of_every_symbol_has_its_points(plan: EncoderPlan, models: list[MaskedModel]) -> None:
    curves = head_reliability(plan, models)
    assert {(curve.symbol, curve.head, curve.event) for curve in curves} == {
        (symbol, head, event)
        for symbol in ("XAUUSD", "XAGUSD")
        for head, event in (
            ("pattern", "neither"),
            ("pattern", "breakout"),
            ("pattern", "reversal"),
            ("levels", "price turns"),
        )
    }
    for curve in curves:
        place = [one.symbol for one in plan.whole].index(curve.symbol)
        one, rows = plan.whole[place], plan.score_rows[place]
        known = (one.reacted if curve.head == "levels" else one.pattern)[rows.start : rows.stop] >= 0
        assert sum(point.n for point in curve.points) == 2 * known.sum()
    turned = next(curve for curve in curves if curve.head == "levels")
    one, rows = plan.whole[0], plan.score_rows[0]
    reacted = one.reacted[rows.start : rows.stop]
    assert turned.symbol == one.symbol
    happened = sum(point.happened * point.n for point in turned.points) / sum(point.n for point in turned.points)
    assert happened == pytest.approx((reacted == 1).sum() / (reacted >= 0).sum())


def test_a_head_without_weight_has_no_curve(plan: EncoderPlan, models: list[MaskedModel], tmp_path: Path) -> None:
    weights = plan.config.head_weights.model_copy(update={"pattern": 0.0})
    without = replace(plan, config=plan.config.model_copy(update={"head_weights": weights}))
    assert {curve.head for curve in head_reliability(without, models)} == {"levels"}
