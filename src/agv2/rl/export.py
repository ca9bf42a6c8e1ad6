"""From a trained policy and its encoder to the bundle that paper and live load."""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from agv2.core.errors import ShapeError
from agv2.decision.actions import ACTION_NVEC
from agv2.decision.observation import ObservationLayout
from agv2.features.feature_spec import FeatureColumn
from agv2.models.bundle import ModelBundle
from agv2.models.bundle_manifest import BundleManifest
from agv2.models.live_reference import LiveReference
from agv2.models.normalizer import Normalizer
from agv2.models.policy import PolicyNetwork
from agv2.models.pretraining import PretrainedEncoder
from agv2.risk.kelly import EdgeEstimate

__all__ = ["export_bundle"]


def export_bundle(
    directory: Path,
    *,
    symbols: Sequence[str],
    asset_classes: Sequence[int],
    bars_per_year: Sequence[float],
    timeframe: str,
    trained_on: str,
    columns: Sequence[FeatureColumn],
    normalizer: Normalizer,
    pretrained: PretrainedEncoder,
    layout: ObservationLayout,
    policy: PolicyNetwork,
    config_digest: str,
    kelly_fraction: float = 0.0,
    edge: EdgeEstimate | None = None,
    reference: LiveReference | None = None,
    known_until_ns: int = 0,
    parent: str = "",
) -> ModelBundle:
    """Write everything needed to decide on a new bar.

    Args:
        directory: new or empty.
        symbols: what was trained on.
        asset_classes: of each symbol, its number in `ASSET_CLASSES`.
        bars_per_year: of each symbol, as its limits were scaled with.
        timeframe: of the bars, such as `1h`.
        trained_on: which bars, in words a person understands.
        columns: of the feature matrix, in order.
        normalizer: of the features.
        pretrained: encoder and heads.
        layout: of the observation.
        policy: the trained network, or an ensemble as one.
        config_digest: of all settings.
        kelly_fraction: share of the Kelly size that caps positions; 0: no cap.
        edge: what the policy's size rests on; None where the cap is off.
        reference: what the guards hold live trading against; None: nothing.
        known_until_ns: open of the last bar that anything was fitted on or chosen by; 0: not known.
        parent: digest of the bundle that this one was trained on from; empty: of none.

    Returns:
        The bundle, read back and verified.

    Raises:
        ShapeError: the policy reads observations of another size than `layout`'s.
        BundleError: the directory is not empty, or the parts do not fit.
    """
    if policy.n_observations != layout.size:
        raise ShapeError(f"the policy reads {policy.n_observations} numbers, the observation has {layout.size}")
    manifest = BundleManifest(
        symbols=tuple(symbols),
        asset_classes=tuple(asset_classes),
        bars_per_year=tuple(bars_per_year),
        timeframe=timeframe,
        trained_on=trained_on,
        features=tuple((column.name, column.lookback) for column in columns),
        warmup_bars=max(column.lookback for column in columns) - 1,
        layout=layout.slices(),
        action_nvec=ACTION_NVEC,
        config_digest=config_digest,
        code_version=version("agv2"),
        kelly_fraction=kelly_fraction,
        edge=None if edge is None else asdict(edge),
        known_until_ns=known_until_ns,
        parent=parent,
    )
    return ModelBundle.save(directory, manifest, normalizer, pretrained, policy, reference)
