"""From a bundle on disk to decisions on one market, without torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from agv2.core.arrays import Float32Array
from agv2.core.bars import Bar, Bars
from agv2.core.errors import BundleError, DataError
from agv2.core.instruments import Instrument
from agv2.core.timeframes import Timeframe
from agv2.data.config import MarketsConfig
from agv2.decision.actions import ACTION_NVEC
from agv2.decision.decider import Decider
from agv2.decision.market_view import MarketView, near_levels
from agv2.decision.observation import ObservationLayout
from agv2.deploy.onnx_policy import OnnxPolicy
from agv2.features.pipeline import compute_features, feature_columns
from agv2.models.bundle import ModelBundle
from agv2.models.config import ASSET_CLASSES, EncoderConfig
from agv2.models.head_outputs import head_widths
from agv2.models.served_odds import Runner
from agv2.risk.config import RiskConfig
from agv2.risk.kelly import EdgeEstimate, with_evidence
from agv2.risk.level_stop import NearLevels
from agv2.sim.config import CostsConfig
from agv2.sim.costs import Costs
from agv2.sim.quoted_spread import believable_spreads
from agv2.utils.tracing import step

__all__ = ["Look", "ServedMarket", "load_decider"]


class Look(NamedTuple):
    """A market at the close of its newest bar."""

    bars: Bars
    """Those that were read."""
    window: Float32Array
    """(window, features) that the encoder read, normalised."""
    view: MarketView


@dataclass(frozen=True, slots=True)
class ServedMarket:
    """A bundle's models at work on one market.

    Attributes:
        bundle: where they come from; its `digest` is the model's version.
        instrument: what is traded.
        timeframe: of the bars.
        decider: policy and limits; holds no memory.
        costs: what the model was tested with: fills in simulation, and the yardstick for real ones.
        layout: of the observation.
        bars_needed: closed bars, the newest included, from which a decision is made; more change nothing.
        runner: who evaluates the networks.
        asset_class: of the market, its number in `ASSET_CLASSES`.
    """

    bundle: ModelBundle
    instrument: Instrument
    timeframe: Timeframe
    decider: Decider
    costs: Costs
    layout: ObservationLayout
    bars_needed: int
    runner: Runner
    asset_class: int
    _hourly_spread: tuple[float, ...] | None

    def read(self, bars: Bars) -> list[Bar]:
        """`bars` as the kernels read them; of the first nobody knows which nights lie before it."""
        records = believable_spreads(bars, self.costs).records(self.instrument.calendar, self._hourly_spread)
        return [Bar(*record.item()) for record in records]

    def view(self, bars: Bars) -> MarketView:
        """What may be known of the market at the close of the newest of `bars`.

        Args:
            bars: closed bars of this market, oldest first; the last `bars_needed` are read.

        Raises:
            DataError: they are too few, or one has no usable price.

        Known at: the close of the newest bar.
        """
        return self.look(bars).view

    def look(self, bars: Bars, before: Look | None = None) -> Look:
        """The same, with what it was made from.

        Args:
            bars: as for `view`.
            before: an earlier look of this market. Where the newest bar is the only one that it did not read, its
                window is moved on by a row: a row's bits depend on the bars of its own lookback alone.
        """
        recent = self._recent(bars)
        with step("features", symbol=self.instrument.symbol):
            if before is not None and _is_next(before.bars, recent):
                features = compute_features(recent.slice(self._window - 1, len(recent)), self.instrument.calendar)
                window = np.concatenate([before.window[1:], self.bundle.normalizer.transform(features.values[-1:])])
            else:
                features = compute_features(recent, self.instrument.calendar)
                window = self.bundle.normalizer.transform(features.values[-self._window :])
        with step("encoder"):
            said = self.runner.encode(window[np.newaxis], self.asset_class)
        newest = slice(len(features.values) - 1, len(features.values))
        levels = NearLevels(*near_levels(features, newest)[0].item())
        newest_bar = self.read(recent.slice(len(recent) - 2, len(recent)))[-1]
        row = features.values[-1].copy()
        return Look(recent, window, MarketView(newest_bar, float(features.sigma[-1]), levels, said.rows()[0], row))

    def _recent(self, bars: Bars) -> Bars:
        if len(bars) < self.bars_needed:
            raise DataError(
                f"{self.instrument.symbol}: a decision needs {self.bars_needed:,} closed {self.timeframe.name} bars, "
                f"found {len(bars):,}; give more history"
            )
        return bars.slice(len(bars) - self.bars_needed, len(bars))

    @property
    def _window(self) -> int:
        return int(self.bundle.manifest.encoder["window"])


def _is_next(before: Bars, now: Bars) -> bool:
    """Whether `now` is `before` without its first bar, and one bar more."""
    if len(before) != len(now) or before.ts_ns[-1] != now.ts_ns[-2]:
        return False
    return all(
        np.array_equal(getattr(before, name)[1:], getattr(now, name)[:-1], equal_nan=name != "ts_ns")
        for name in ("ts_ns", "open", "high", "low", "close", "volume", "spread")
    )


def load_decider(
    directory: Path,
    symbol: str,
    markets: MarketsConfig,
    costs: CostsConfig,
    risk: RiskConfig,
    *,
    live: bool = False,
    runtime: Literal["onnx", "pt2", "ts"] = "onnx",
) -> ServedMarket:
    """Open a bundle for one market.

    The limits are those of the active profile, scaled as in training, cut to what the bundle's frozen edge warrants.

    Args:
        directory: of the bundle.
        symbol: one that the bundle was trained on.
        markets: facts of each market.
        costs: of each market.
        risk: limits.
        live: money is at stake: without a proven edge nothing is opened.
        runtime: who evaluates the networks: ONNX Runtime, or torch by the program or by TorchScript.

    Raises:
        BundleError: the bundle is damaged, of other features or another observation, or not of this market.
    """
    bundle = ModelBundle.load(directory)
    manifest = bundle.manifest
    if symbol not in manifest.symbols:
        known = ", ".join(manifest.symbols)
        raise BundleError(f"{directory}: trained on {known}, not on {symbol}; name one of those, or train on {symbol}")
    place = manifest.symbols.index(symbol)
    timeframe = Timeframe.parse(manifest.timeframe)
    encoder = EncoderConfig.model_validate(manifest.encoder)
    layout = ObservationLayout(*head_widths(encoder))
    columns = feature_columns(timeframe)
    bundle.require_matches(
        tuple((column.name, column.lookback) for column in columns), layout.slices(), ACTION_NVEC
    )  # fmt: skip
    instrument, _ = markets.instrument(symbol, np.empty(0, dtype=np.int64))
    trained_as = ASSET_CLASSES[manifest.asset_classes[place]]
    if instrument.asset_class != trained_as:
        raise BundleError(
            f"{directory}: {symbol} was trained as {trained_as}, but markets.yaml says {instrument.asset_class}; "
            "use the settings of its training, or train again"
        )
    edge = None if manifest.edge is None else EdgeEstimate(**manifest.edge)
    limits = risk.active.params(manifest.bars_per_year[place])
    params = with_evidence(limits, edge, manifest.kelly_fraction, live=live)
    entry, _ = costs.entry(symbol)
    runner = bundle.runner(runtime)
    return ServedMarket(
        bundle=bundle,
        instrument=instrument,
        timeframe=timeframe,
        decider=Decider(OnnxPolicy(runner), params, instrument.market),
        costs=entry.costs(),
        layout=layout,
        bars_needed=manifest.warmup_bars + encoder.window,
        runner=runner,
        asset_class=manifest.asset_classes[place],
        _hourly_spread=entry.hourly_spread,
    )
