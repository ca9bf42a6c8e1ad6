"""A whole small run of a profile that moves stops and cuts sizes."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from agv2.app.policy_sizing import sized, sizing_note
from agv2.app.run import run
from agv2.app.run_plan import RunRequest
from agv2.app.run_store import RunStore
from agv2.core.errors import ConfigError
from agv2.models.bundle import ModelBundle
from agv2.risk.kelly import EdgeEstimate
from agv2.utils.config import parse_override
from tests.tapes import a_tape

OVERRIDES = ("risk.profile=prop-firm", "risk.profiles.prop-firm.trailing_units=0.75", "rl_policy.hindsight=null")


@pytest.fixture(scope="module")
def sized_run(market_files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sized")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGV2_SMOKE", "1")
        patch.setenv("AGV2_HOME", str(folder / "home"))
        overrides = tuple(parse_override(text) for text in OVERRIDES)
        return run(RunRequest(bars=(market_files["TREND"],), out=folder / "out", overrides=overrides, quiet=True)).out


def test_the_edge_is_frozen_wherever_it_is_read(sized_run: Path) -> None:
    edge = EdgeEstimate(**json.loads((sized_run / "folds/1/edge.json").read_text()))
    assert edge.n_bars > 0
    written = json.loads((sized_run / "folds/1/fold.json").read_text())["edge"]
    provenance = json.loads((sized_run / "provenance.json").read_text())["edges"]
    manifest = ModelBundle.load(sized_run / "bundle").manifest
    assert manifest.edge is not None
    assert EdgeEstimate(**written) == EdgeEstimate(**manifest.edge) == edge
    assert [EdgeEstimate(**each) for each in provenance] == [edge]
    assert manifest.kelly_fraction == 0.2
    notes = json.loads((sized_run / "summary.json").read_text())["notes"]
    assert sizing_note("fold 1", edge, 0.2) in notes


def test_test_bars_are_traded_at_the_size_that_the_edge_warrants(sized_run: Path) -> None:
    """A policy of a few updates on a block of some hundred bars has shown nothing either way."""
    edge = EdgeEstimate(**json.loads((sized_run / "folds/1/edge.json").read_text()))
    assert not edge.is_proven
    assert not edge.is_disproven
    decisions = pl.read_parquet(sized_run / "oos/decisions.parquet")
    opened = decisions.filter((pl.col("order_after_units") != 0.0) & (pl.col("position") != 0))
    from_flat = opened.filter(pl.col("reason") == "no_edge")
    assert from_flat.height == opened.filter(pl.col("reason") != "size_capped").height > 0
    share = (from_flat["order_after_units"] / from_flat["order_before_units"]).to_numpy()
    assert np.median(share) == pytest.approx(0.25, abs=0.02), "lots are cut downwards"
    assert share.max() <= 0.2501


def test_trailing_stops_fill_where_the_decisions_show_them(sized_run: Path) -> None:
    fills = pl.read_parquet(sized_run / "oos/fills.parquet").filter(pl.col("reason") == "trailing")
    decisions = pl.read_parquet(sized_run / "oos/decisions.parquet")
    assert fills.height > 3
    set_at = fills.join(decisions, left_on=["symbol", "decided_ts"], right_on=["symbol", "ts"], how="left")
    assert set_at["stop"].null_count() == 0
    distance = (set_at["side"] * (set_at["mid"] - set_at["stop"])).to_numpy()
    assert (distance >= -1e-9).all(), "at the stop that was shown, or at a worse open"
    assert (np.abs(distance) < 1e-9).any()


def test_limits_of_a_proven_and_of_an_unproven_edge() -> None:
    tape = a_tape()
    (proven,) = sized([tape], EdgeEstimate(1_000, 0.06, 0.02, 1.2), 0.2)
    assert proven.params.kelly_volatility == pytest.approx(0.009)
    (unproven,) = sized([tape], EdgeEstimate(1_000, 0.0, 0.02, 1.2), 0.2)
    assert unproven.params.evidence_scale == 0.25
    assert sized([tape], None, 0.0)[0].params == tape.params


def test_the_line_says_what_was_found_and_what_follows() -> None:
    found = sizing_note("fold 2", EdgeEstimate(1_000, 0.06, 0.02, 1.2), 0.2)
    assert found == (
        "fold 2: on its validation block the policy earned +0.0600 volatilities a bar on what it held (95 %: +0.0208 "
        "to +0.0992, 1,000 bars held); 0.2 of the Kelly size caps a position at a volatility of 0.900% of equity a bar"
    )
    assert sizing_note("fold 2", EdgeEstimate(500, -0.06, 0.02, 1.2), 0.2).endswith("it loses: nothing is opened")
    assert sizing_note("fold 2", EdgeEstimate(50, 0.06, 0.02, 1.2), 0.2).endswith("a quarter of the size")


def test_a_finished_edge_is_read_again_and_a_damaged_one_refused(tmp_path: Path) -> None:
    store, edge = RunStore(tmp_path), EdgeEstimate(1_000, 0.06, 0.02, 1.2)
    assert store.load_edge("1") is None
    store.save_edge("1", edge)
    assert store.load_edge("1") == edge
    (tmp_path / "folds/1/edge.json").write_text('{"mean": 0.06}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"edge\.json is damaged; begin anew"):
        store.load_edge("1")
