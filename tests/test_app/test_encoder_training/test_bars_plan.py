"""What teaches an encoder and what scores it, of bars."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.app.encoder_training.bars_plan import plan_from_bars
from agv2.app.encoder_training.plan import EncoderPlan, EncoderRequest
from agv2.app.settings import Settings, load_settings
from agv2.core.bars import Bars
from agv2.core.errors import ConfigError, DataError
from agv2.data.bars_file import write_bars
from agv2.utils.config import parse_override
from tests.markets import gappy_bars, scrambled_after
from tests.quality_markets import clean_bars

N_BARS = 3_000
BY_BAR = ("ts_ns", "features", "sigma", "future", "regime", "pattern", "reacted", "level_distance")
SMALL = ("encoder.window=32", "encoder.channels=8", "encoder.mask_span=4")


def settings_with(*texts: str) -> Settings:
    return load_settings(None, [parse_override(text) for text in (*SMALL, *texts)])


def planned(folder: Path, *markets: Bars, settings: Settings | None = None, **options: Any) -> EncoderPlan:
    paths = [folder / f"{bars.symbol}_1h.parquet" for bars in markets]
    for bars, path in zip(markets, paths, strict=True):
        write_bars(bars, path)
    return plan_from_bars(EncoderRequest(bars=tuple(paths), **options), settings or settings_with())


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> EncoderPlan:
    return planned(tmp_path_factory.mktemp("plan"), gappy_bars(N_BARS))


def test_the_last_part_scores_and_what_a_label_could_reach_is_left_out(plan: EncoderPlan) -> None:
    (whole,), (fit,), (taught,), (scored,) = plan.whole, plan.fit, plan.fit_rows, plan.score_rows
    usable = len(whole) - 31
    assert scored == range(len(whole) - math.ceil(0.25 * usable), len(whole))
    assert taught == range(31, len(fit))
    assert scored.start - taught.stop == plan.purge_bars == 31 + 48
    assert taught.stop - 1 + 48 < scored.start - 31, "the furthest label ends before the first scored window begins"
    for name in BY_BAR[:3]:
        np.testing.assert_array_equal(getattr(fit, name), getattr(whole, name)[: len(fit)])
    span = plan.spans[0]
    assert (span.n_fit, span.n_score) == (len(taught), len(scored))
    assert span.score_from_ns == whole.ts_ns[scored.start]


def test_nothing_that_teaches_depends_on_a_scored_window(plan: EncoderPlan, tmp_path: Path) -> None:
    bars = gappy_bars(N_BARS)
    first_seen = plan.whole[0].ts_ns[plan.score_rows[0].start - 31]
    last_kept = int(np.searchsorted(bars.ts_ns, first_seen)) - 1
    other = planned(tmp_path, scrambled_after(bars, last_kept), accept_defects=True)
    np.testing.assert_array_equal(plan.normalizer.mean, other.normalizer.mean)
    np.testing.assert_array_equal(plan.normalizer.scale, other.normalizer.scale)
    rows = slice(0, plan.fit_rows[0].stop)
    for name in BY_BAR:
        np.testing.assert_array_equal(getattr(plan.fit[0], name), getattr(other.fit[0], name), err_msg=name)
        one, two = getattr(plan.whole[0], name)[rows], getattr(other.whole[0], name)[rows]
        np.testing.assert_array_equal(one, two, err_msg=f"{name} that baselines are fitted on")
    assert not np.array_equal(plan.whole[0].features, other.whole[0].features)


def test_scored_rows_have_labels_of_their_own_bars(plan: EncoderPlan) -> None:
    (whole,), (scored,) = plan.whole, plan.score_rows
    assert (whole.regime[scored.start :] >= 0).all()
    assert np.isfinite(whole.future[scored.start : -12]).all()
    assert (whole.reacted[scored.start : -48] >= 0).all()


def test_two_symbols_are_cut_at_one_moment_and_keep_their_own_past(tmp_path: Path) -> None:
    gold, silver = clean_bars(N_BARS, symbol="XAUUSD"), clean_bars(N_BARS, symbol="XAGUSD", seed=1)
    late = silver.slice(400, N_BARS)
    plan = planned(tmp_path, gold, late)
    starts = [one.ts_ns[rows.start] for one, rows in zip(plan.whole, plan.score_rows, strict=True)]
    assert [one.symbol for one in plan.whole] == ["XAGUSD", "XAUUSD"]
    assert starts[0] == starts[1]
    assert plan.spans[1].n_fit - plan.spans[0].n_fit == 400
    assert [span.asset_class for span in plan.spans] == ["metal", "metal"]
    assert {one.asset_class for one in plan.whole} != {0}


def test_seeds_count_up_and_a_profile_says_what_is_costly(plan: EncoderPlan, tmp_path: Path) -> None:
    assert plan.budget.seeds == (7, 8, 9)
    assert not plan.budget.costly
    other = planned(tmp_path, gappy_bars(N_BARS), n_seeds=2, seed=3, profile="standard")
    assert other.budget.seeds == (3, 4)
    assert other.budget.costly
    assert other.budget.steps > plan.budget.steps


def test_a_rehearsal_is_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGV2_SMOKE", "1")
    plan = planned(tmp_path, gappy_bars(3_400), settings=load_settings(None, ()))
    assert plan.budget.seeds == (7,)
    assert plan.config.window == 32
    assert plan.spans[0].n_fit + plan.spans[0].n_score < 3_000 - plan.purge_bars
    assert "nothing here is a result" in plan.budget.note


@pytest.mark.parametrize(
    ("changes", "options", "error", "said"),
    [
        ((), {"holdout_frac": 1.0}, ConfigError, "--holdout 1: expected a share between 0 and 1"),
        ((), {"holdout_frac": 0.97}, DataError, "--holdout 0.97"),
        (("encoder.window=1500",), {}, DataError, "encoder.window 1500"),
        (("encoder.embargo_bars=2000",), {}, DataError, "give more bars"),
    ],
)
def test_what_cannot_be_held_out_is_refused(
    tmp_path: Path, changes: tuple[str, ...], options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        planned(tmp_path, gappy_bars(N_BARS), settings=settings_with(*changes), **options)


def test_a_head_without_a_label_is_refused_unless_it_has_no_weight(
    plan: EncoderPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agv2.app import fold_training

    def unknown(close: Any, *_: object) -> Any:
        return np.full(len(close), -1, dtype=np.int64)

    monkeypatch.setattr(fold_training, "regime_labels", unknown)
    with pytest.raises(DataError, match=r"head regime: no label is known .*head_weights.regime=0"):
        planned(tmp_path, gappy_bars(N_BARS))
    without = planned(tmp_path, gappy_bars(N_BARS), settings=settings_with("encoder.head_weights.regime=0"))
    assert without.heads == tuple(head for head in plan.heads if head != "regime")


def test_the_identity_changes_with_whatever_changes_the_training(plan: EncoderPlan, tmp_path: Path) -> None:
    def changed(*markets: Bars, settings: Settings | None = None, **options: Any) -> set[str]:
        other = planned(tmp_path, *(markets or (gappy_bars(N_BARS),)), settings=settings, **options)
        return {name for name, value in plan.identity.items() if other.identity[name] != value}

    assert changed() == set()
    assert changed(gappy_bars(N_BARS, seed=5)) == {"bars or --symbol"}
    assert changed(replace(gappy_bars(N_BARS), symbol="OTHER")) == {"bars or --symbol"}
    assert changed(settings=settings_with("encoder.dropout=0.2")) == {"settings"}
    assert changed(profile="thorough") == {"--profile"}
    assert changed(n_seeds=1) == {"--seed or --seeds"}
    assert changed(holdout_frac=0.3) == {"--holdout"}
