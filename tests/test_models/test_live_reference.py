import numpy as np
import pytest

from agv2.core.errors import BundleError
from agv2.models.array_bytes import arrays_from, npz_bytes
from agv2.models.feature_reference import FeatureReference
from agv2.models.live_reference import LiveReference


def a_reference(seed: int) -> FeatureReference:
    rng = np.random.default_rng(seed)
    return FeatureReference(
        columns=("gap", "range@4h"),
        edges=np.sort(rng.standard_normal((2, 11)), axis=1),
        shares=np.full((2, 13), 1.0 / 13.0),
        step_bars=3,
        memory_bars=240.5,
        scales=rng.random((2, 2)),
        daily_worst=rng.random(50),
        sample=rng.random((7, 2)).astype(np.float32),
    )


def test_it_goes_through_the_bytes_of_a_bundle_unchanged() -> None:
    one = LiveReference(
        features={"BTC/USD": a_reference(0), "a.b": a_reference(1)},
        entropy={"a.b": a_reference(2)},
        daily_returns={"BTC/USD": np.arange(3.0), "ACCOUNT": np.arange(4.0)},
    )
    back = LiveReference.from_arrays(arrays_from(npz_bytes(one.arrays())))
    assert list(back.features) == ["BTC/USD", "a.b"]
    assert list(back.entropy) == ["a.b"]
    for ours, theirs in ((one.features["a.b"], back.features["a.b"]), (one.entropy["a.b"], back.entropy["a.b"])):
        assert (ours.columns, ours.step_bars, ours.memory_bars) == (
            theirs.columns, theirs.step_bars, theirs.memory_bars,
        )  # fmt: skip
        for name in ("edges", "shares", "scales", "daily_worst", "sample"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    np.testing.assert_array_equal(back.daily_returns["ACCOUNT"], np.arange(4.0))


def test_an_empty_one_is_kept_as_such_and_says_what_it_lacks() -> None:
    back = LiveReference.from_arrays(arrays_from(npz_bytes(LiveReference().arrays())))
    assert (back.features, back.entropy, back.daily_returns) == ({}, {}, {})
    with pytest.raises(BundleError, match=r"no reference of ETHUSD's features.*made without any"):
        back.of_features("ETHUSD")
    with pytest.raises(BundleError, match="it has those of XAUUSD"):
        LiveReference(features={"XAUUSD": a_reference(0)}).of_features("ETHUSD")
