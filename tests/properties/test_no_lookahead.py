"""Scrambling every bar after t moves nothing that is known at t."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from agv2.app.fold_training import FoldEncoder, make_tapes
from agv2.app.market_preparation import PreparedMarket, as_known_after, prepare_markets
from agv2.app.settings import Settings, load_settings
from agv2.backtest.replay import ReplayResult, replay
from agv2.core.bars import Bars
from agv2.data.bars_file import write_bars
from agv2.decision.observation import BOOK_FIELDS
from agv2.models.masked_model import MaskedModel
from agv2.models.normalizer import Normalizer
from agv2.models.policy import PolicyNetwork
from agv2.models.pretraining import PretrainedEncoder
from agv2.rl.policy_adapter import TorchPolicy
from tests.markets import gappy_bars, scrambled_after

TRAINED_UNTIL, CHANGED_AFTER, N_BARS = 1_750, 1_900, 2_000
TEST = slice(1_800, 1_990)
LAST_KNOWN = CHANGED_AFTER - TEST.start  # row of bar `CHANGED_AFTER` on the test tape

Path = Callable[[Bars], tuple[PreparedMarket, FoldEncoder, np.ndarray[Any, Any], ReplayResult]]


@pytest.fixture(scope="module")
def settings() -> Settings:
    """A small network: what leaks does not depend on width."""
    small = ("encoder.window=64", "encoder.channels=8", "encoder.embedding_dim=16", "encoder.head_channels=8")
    from agv2.utils.config import parse_override

    return load_settings(None, [parse_override(text) for text in small])


@pytest.fixture(scope="module")
def decide(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole decision path of a fold, from a file of bars to orders, with weights that were never trained."""

    def path(bars: Bars) -> tuple[PreparedMarket, FoldEncoder, np.ndarray[Any, Any], ReplayResult]:
        file = tmp_path_factory.mktemp("bars") / "TEST_1h.parquet"
        write_bars(bars, file)
        (prepared,) = prepare_markets([file], [], settings)
        market = as_known_after(prepared, settings, TRAINED_UNTIL)
        normalizer = Normalizer.fit(market.features.values[:TRAINED_UNTIL])
        torch.manual_seed(3)
        model = MaskedModel(market.features.values.shape[1], settings.encoder)
        encoder = FoldEncoder(normalizer, PretrainedEncoder(settings.encoder, model.eval()))
        (tape,) = make_tapes([market], [N_BARS], encoder)
        policy = TorchPolicy(PolicyNetwork(tape.market_rows.shape[1] + len(BOOK_FIELDS), 15))
        return market, encoder, tape.market_rows, replay([tape.slice(TEST.start, TEST.stop)], policy, [1e5])

    return path


def test_nothing_known_at_t_moves_when_the_future_is_scrambled(decide: Path) -> None:
    bars = gappy_bars(N_BARS)
    market, encoder, rows, result = decide(bars)
    other_market, other_encoder, other_rows, other = decide(scrambled_after(bars, CHANGED_AFTER))

    known = slice(0, CHANGED_AFTER + 1)
    np.testing.assert_array_equal(market.features.values[known], other_market.features.values[known])
    np.testing.assert_array_equal(market.features.sigma[known], other_market.features.sigma[known])
    for ours, theirs in zip(
        encoder.normalizer.arrays().values(), other_encoder.normalizer.arrays().values(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert market.params == other_market.params, "a limit was counted from bars after the training span"
    np.testing.assert_allclose(rows[known], other_rows[known], atol=1e-6, rtol=0)

    decisions, others = result.decisions[: LAST_KNOWN + 1], other.decisions[: LAST_KNOWN + 1]
    for (_, _, ours_made), (_, _, theirs_made) in zip(decisions, others, strict=True):
        np.testing.assert_allclose(ours_made.observation, theirs_made.observation, atol=1e-6, rtol=0)
        assert ours_made.action == theirs_made.action
        assert ours_made.plan == theirs_made.plan
    assert result.equity[: LAST_KNOWN + 1] == other.equity[: LAST_KNOWN + 1]


def test_the_scrambled_future_does_move_what_comes_after_it(decide: Path) -> None:
    """Otherwise the test above could not fail."""
    bars = gappy_bars(N_BARS)
    _, _, rows, result = decide(bars)
    _, _, other_rows, other = decide(scrambled_after(bars, CHANGED_AFTER))
    assert np.abs(rows[CHANGED_AFTER + 1] - other_rows[CHANGED_AFTER + 1]).max() > 1e-3
    assert result.equity[LAST_KNOWN + 1 :] != other.equity[LAST_KNOWN + 1 :]
