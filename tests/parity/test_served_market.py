"""What serves a bundle sees and decides what the run saw and decided, bar by bar."""

import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from agv2.app.market_preparation import PreparedMarket, as_known_after, prepare_markets
from agv2.app.settings import load_settings
from agv2.backtest.replay import replay
from agv2.backtest.run_files import RunRows, read_run_rows
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import record_dtype
from agv2.core.bars import Bar
from agv2.core.errors import BundleError, DataError
from agv2.decision.market_view import MarketView
from agv2.deploy.model_loader import ServedMarket, load_decider
from agv2.models.bundle import ModelBundle
from agv2.models.embedding import embed_history
from agv2.risk.kelly import EdgeEstimate, with_evidence
from agv2.risk.level_stop import NearLevels
from agv2.rl.policy_adapter import TorchPolicy
from agv2.utils.config import parse_override

N_BARS = 80


@pytest.fixture(scope="module")
def served(finished_run: Path) -> ServedMarket:
    settings = load_settings(None, ())
    return load_decider(finished_run / "bundle", "TREND", settings.markets, settings.costs, settings.risk)


@pytest.fixture(scope="module")
def rows(finished_run: Path) -> RunRows:
    return read_run_rows(finished_run / "oos")


@pytest.fixture(scope="module")
def market(market_files: dict[str, Path], rows: RunRows) -> PreparedMarket:
    settings = load_settings(None, ())
    (found,) = prepare_markets([market_files["TREND"]], [], settings)
    return as_known_after(found, settings, first_row(found, rows))


def first_row(market: PreparedMarket, rows: RunRows) -> int:
    return int(np.searchsorted(market.bars.ts_ns, rows.equity["ts"].dt.epoch("ns")[0]))


@pytest.fixture(scope="module")
def views(served: ServedMarket, market: PreparedMarket, rows: RunRows) -> list[MarketView]:
    """The first test bars, each seen as paper and live see it: from the last bars alone."""
    first = first_row(market, rows)
    return [served.view(market.bars.slice(0, bar + 1)) for bar in range(first, first + N_BARS)]


def test_bars_volatility_and_levels_are_those_of_the_run(
    views: list[MarketView], market: PreparedMarket, rows: RunRows
) -> None:
    first = first_row(market, rows)
    tape = market.tape(len(market.bars), np.empty((len(market.bars), 0), dtype=np.float32))
    for row, view in enumerate(views, start=first):
        assert view.volatility == tape.volatility[row]
        np.testing.assert_array_equal(view.bar, tape.bar(row))
        np.testing.assert_array_equal(view.levels, tape.levels_at(row))


def test_market_rows_are_those_of_one_pass_over_the_history(
    served: ServedMarket, views: list[MarketView], market: PreparedMarket, rows: RunRows
) -> None:
    first, warmup = first_row(market, rows), market.features.warmup
    pretrained = served.bundle.pretrained()
    scaled = served.bundle.normalizer.transform(market.features.values[warmup:])
    whole = embed_history(pretrained.encoder, pretrained.heads, scaled, market.asset_class).after(warmup).rows()
    np.testing.assert_allclose([view.market_row for view in views], whole[first : first + N_BARS], atol=1e-4)


def test_the_policy_says_what_torch_says(served: ServedMarket) -> None:
    observations = np.random.default_rng(3).normal(size=(200, served.layout.size)).astype(np.float32)
    observations[:, -3:] = np.random.default_rng(4).integers(0, 2, (200, 3))
    observations[:, -3] = 1.0
    ours, theirs = served.decider.policy.act(observations), TorchPolicy(served.bundle.policy()).act(observations)
    np.testing.assert_array_equal(ours.actions, theirs.actions)
    np.testing.assert_allclose(ours.entropy, theirs.entropy, atol=1e-5)
    np.testing.assert_allclose(ours.values, theirs.values, atol=1e-5)
    assert np.ptp(ours.entropy) > 0.0


def test_a_refused_position_is_not_chosen_and_adds_no_entropy(served: ServedMarket) -> None:
    observations = np.random.default_rng(3).normal(size=(50, served.layout.size)).astype(np.float32)
    observations[:, -3:] = (1.0, 0.0, 0.0)
    said = served.decider.policy.act(observations)
    assert (said.actions[:, 0] == 0).all()
    assert np.isfinite(said.entropy).all()


def test_the_served_market_takes_the_decisions_of_the_run(
    served: ServedMarket, views: list[MarketView], rows: RunRows
) -> None:
    bars = np.array([tuple(view.bar) for view in views], dtype=record_dtype(Bar))
    levels = np.array([tuple(view.levels) for view in views], dtype=record_dtype(NearLevels))
    tape = MarketTape(
        symbol="TREND",
        bars=bars,
        volatility=np.array([view.volatility for view in views]),
        levels=levels,
        market_rows=np.stack([view.market_row for view in views]),
        market=served.instrument.market,
        params=served.decider.params,
        costs=served.costs,
    )
    found = replay([tape], served.decider.policy, [rows.equity["equity"][0]])
    assert len(found.decisions) == N_BARS - 1
    for (_, _, ours), theirs in zip(found.decisions, rows.decisions.iter_rows(named=True), strict=False):
        assert ours.plan.side == theirs["position"]
        assert (ours.plan.stop_loss, ours.plan.take_profit) == (theirs["stop"], theirs["target"])
        assert ours.plan.after_units == theirs["order_after_units"]


def test_more_history_changes_nothing(served: ServedMarket, market: PreparedMarket) -> None:
    n_bars = len(market.bars)
    whole = served.view(market.bars)
    least = served.view(market.bars.slice(n_bars - served.bars_needed, n_bars))
    np.testing.assert_array_equal(whole.market_row, least.market_row)
    assert whole.volatility == least.volatility
    with pytest.raises(
        DataError, match=f"needs {served.bars_needed:,} closed 1h bars, found {served.bars_needed - 1:,}"
    ):
        served.view(market.bars.slice(n_bars - served.bars_needed + 1, n_bars))


def test_an_unproven_edge_trades_a_quarter_in_paper_and_nothing_live(
    finished_run: Path, served: ServedMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(None, ())
    parts = (settings.markets, settings.costs, settings.risk)
    frozen = {"n_bars": 500, "mean": 0.01, "error": 0.02, "variance": 1.0}
    capped = replace(served.bundle, manifest=replace(served.bundle.manifest, kelly_fraction=0.2, edge=frozen))
    monkeypatch.setattr(ModelBundle, "load", lambda directory: capped)
    paper = load_decider(finished_run / "bundle", "TREND", *parts).decider.params
    live = load_decider(finished_run / "bundle", "TREND", *parts, live=True).decider.params
    assert (paper.evidence_scale, live.evidence_scale) == (0.25, 0.0)
    assert paper.target_volatility == live.target_volatility == served.decider.params.target_volatility


def test_a_proven_edge_caps_the_size_as_in_the_run(
    finished_run: Path, served: ServedMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(None, ())
    edge = EdgeEstimate(n_bars=500, mean=0.2, error=0.02, variance=1.0)
    manifest = replace(served.bundle.manifest, kelly_fraction=0.2, edge=asdict(edge))
    monkeypatch.setattr(ModelBundle, "load", lambda directory: replace(served.bundle, manifest=manifest))
    parts = (settings.markets, settings.costs, settings.risk)
    found = load_decider(finished_run / "bundle", "TREND", *parts, live=True).decider.params
    assert found == with_evidence(served.decider.params, edge, 0.2)
    assert 0.0 < found.kelly_volatility < 1.0


def test_a_bundle_of_another_market_or_program_is_refused(finished_run: Path, tmp_path: Path) -> None:
    settings = load_settings(None, ())
    parts = (settings.markets, settings.costs, settings.risk)
    with pytest.raises(BundleError, match="trained on TREND, not on GOLD"):
        load_decider(finished_run / "bundle", "GOLD", *parts)
    with pytest.raises(BundleError, match="there is no bundle here"):
        load_decider(tmp_path / "none", "TREND", *parts)
    other = load_settings(None, [parse_override("markets.TREND.asset_class=metal")])
    with pytest.raises(BundleError, match=r"trained as \w+, but markets.yaml says metal"):
        load_decider(finished_run / "bundle", "TREND", other.markets, other.costs, other.risk)


def test_a_bundle_of_other_features_is_refused(finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(None, ())
    loaded = ModelBundle.load(finished_run / "bundle")
    other = replace(loaded, manifest=replace(loaded.manifest, features=loaded.manifest.features[1:]))
    monkeypatch.setattr(ModelBundle, "load", lambda directory: other)
    with pytest.raises(BundleError, match="made for other features"):
        load_decider(finished_run / "bundle", "TREND", settings.markets, settings.costs, settings.risk)


def test_no_torch_is_imported(finished_run: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from agv2.data.config import MarketsConfig
from agv2.deploy.model_loader import load_decider
from agv2.risk.config import RiskConfig
from agv2.sim.config import CostsConfig
from agv2.utils.config import load_config
parts = load_config(MarketsConfig, "markets"), load_config(CostsConfig, "costs"), load_config(RiskConfig, "risk")
load_decider(Path({str(finished_run / "bundle")!r}), "TREND", *parts)
sys.exit(f"imported {{found}}" if (found := {{"torch", "lightning", "polars"}} & set(sys.modules)) else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
