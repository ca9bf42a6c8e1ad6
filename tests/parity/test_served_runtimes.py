"""The three programs of a bundle decide alike, whichever serves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.deploy.account_switch import Killed
from agv2.deploy.decision_engine import DecisionEngine, load_engine
from agv2.deploy.messages import DecideIn
from agv2.deploy.settings import Runtime
from tests.untrained_bundles import ToldBars

NOON_NS = 1_900_000_000 * 10**9

STOPS = range(2_900, 3_000, 5)


@pytest.fixture(scope="module")
def engines(untrained_bundle: Path) -> Iterator[dict[Runtime, DecisionEngine]]:
    import torch

    threads = torch.get_num_threads()
    yield {runtime: load_engine(untrained_bundle, (), runtime, None, ()) for runtime in Runtime}
    torch.set_num_threads(threads)


def decisions(engine: DecisionEngine, told_bars: ToldBars) -> list[dict[str, Any]]:
    asked = (DecideIn.model_validate(told_bars.question(stop)) for stop in STOPS)
    return [engine.decide(each, NOON_NS, killed=Killed.NO).answer for each in asked]


@pytest.mark.parametrize("runtime", [Runtime.PT2, Runtime.TORCHSCRIPT])
def test_a_twin_orders_what_onnx_runtime_orders(
    engines: dict[Runtime, DecisionEngine],
    told_bars: ToldBars,
    runtime: Runtime,
) -> None:
    served, twin = decisions(engines[Runtime.ONNX], told_bars), decisions(engines[runtime], told_bars)
    assert any(each["order"] for each in served)
    for ours, theirs in zip(served, twin, strict=True):
        assert ours["order"] == theirs["order"]
        assert (ours["side"], ours["reason"]) == (theirs["side"], theirs["reason"])
        for name, odds in ours["probabilities"].items():
            np.testing.assert_allclose(theirs["probabilities"][name], odds, atol=1e-4)
        np.testing.assert_allclose(theirs["value"], ours["value"], atol=1e-3)


def test_each_engine_says_which_it_is(engines: dict[Runtime, DecisionEngine]) -> None:
    assert [engine.runtime for engine in engines.values()] == list(Runtime)
