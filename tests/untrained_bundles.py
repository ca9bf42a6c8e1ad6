"""A bundle that was never trained: real features, tiny networks with random weights that do choose positions.

The pipeline is imported where it is used: every other test would pay seconds for it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from agv2.core.bars import Bars

__all__ = ["ToldBars", "told_bars", "untrained_bundle"]


class ToldBars:
    """Bars of TREND, in the form in which callers of the service tell them."""

    def __init__(self, bars: "Bars") -> None:
        self.bars = bars

    def told(self, first: int, stop: int) -> dict[str, list[Any]]:
        part = self.bars.slice(first, stop)
        columns = {name: getattr(part, name).tolist() for name in ("open", "high", "low", "close")}
        return {"ts": (part.ts_ns // 10**9).tolist(), **columns}

    def question(self, stop: int, n_bars: int = 2_000, **more: Any) -> dict[str, Any]:
        return {"symbol": "TREND", "bars": self.told(stop - n_bars, stop), "book": {"cash": 1e5}, **more}


@pytest.fixture(scope="session")
def told_bars() -> ToldBars:
    """3,000 hourly bars."""
    from agv2.data.synthetic import synthetic_bars

    return ToldBars(synthetic_bars("trend", 3_000, 7, symbol="TREND"))


@pytest.fixture(scope="session")
def untrained_bundle(tmp_path_factory: pytest.TempPathFactory, told_bars: ToldBars) -> Path:
    """The bundle's directory; tests only read it. Exporting it takes some ten seconds."""
    return save_small_bundle(tmp_path_factory.mktemp("untrained") / "bundle", told_bars.bars)


def save_small_bundle(directory: Path, bars: "Bars") -> Path:
    """Write one for the market of `bars`, whose features its normaliser is fitted on."""
    import torch

    from agv2.core.timeframes import Timeframe
    from agv2.data.config import MarketsConfig
    from agv2.decision.observation import ObservationLayout
    from agv2.features.pipeline import compute_features, feature_columns
    from agv2.models.config import ASSET_CLASSES
    from agv2.models.head_outputs import head_widths
    from agv2.models.masked_model import MaskedModel
    from agv2.models.normalizer import Normalizer
    from agv2.models.policy import PolicyNetwork
    from agv2.models.pretraining import PretrainedEncoder
    from agv2.rl.export import export_bundle
    from agv2.utils.config import load_config
    from tests.test_models.markets import TINY

    columns = feature_columns(Timeframe.parse("1h"))
    instrument, _ = load_config(MarketsConfig, "markets").instrument(bars.symbol, bars.ts_ns)
    features = compute_features(bars, instrument.calendar)
    layout = ObservationLayout(*head_widths(TINY))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = MaskedModel(len(columns), TINY).eval()
        policy = PolicyNetwork(layout.size, 15).eval()
        with torch.no_grad():  # untrained logits are constants, which any program would get right
            for weight in (*model.heads.parameters(), *policy.parameters()):
                weight.normal_(0.0, 0.3)
    bundle = export_bundle(
        directory,
        symbols=[bars.symbol],
        asset_classes=[ASSET_CLASSES.index(instrument.asset_class)],
        bars_per_year=[8760.0],
        timeframe="1h",
        trained_on="nothing",
        columns=columns,
        normalizer=Normalizer.fit(features.values[features.warmup :]),
        pretrained=PretrainedEncoder(TINY, model),
        layout=layout,
        policy=policy,
        config_digest="0" * 64,
        known_until_ns=int(bars.ts_ns[len(bars) * 3 // 5 - 1]),
    )
    return bundle.directory
