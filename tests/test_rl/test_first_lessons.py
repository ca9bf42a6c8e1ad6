"""Sides learnt in hindsight: found where a row foretells the next bar, left alone where it does not."""

import numpy as np
import pytest
import torch

from agv2.backtest.tape import MarketTape
from agv2.decision.action_mask import PERMISSION_FIELDS
from agv2.decision.actions import ACTION_NVEC, SIZE_FRACS
from agv2.rl.config import HindsightConfig
from agv2.rl.episodes import Span
from agv2.rl.expected_path import RowColumns
from agv2.rl.first_lessons import FirstLessons, first_lessons
from agv2.rl.input_scaling import input_scaling
from agv2.rl.side_evidence import SideEvidence
from agv2.rl.side_inputs import side_inputs
from agv2.rl.training import TrainedPolicy, train_policy
from tests.rl_settings import small_config
from tests.tapes import a_tape, costs, walk

N_BARS = 2_000
SPANS = [Span(0, 50, 1_700)]
CONFIG = HindsightConfig(blocks=3, least_t=2.0)


def a_market(strength: float, seed: int = 0) -> MarketTape:
    """Column 2 is the next bar's return plus noise, on a tiny scale; the others are noise."""
    bars = walk(N_BARS, seed)
    rng = np.random.default_rng(seed + 100)
    rows = rng.normal(size=(N_BARS, 4)).astype(np.float32)
    following = np.append(bars.close[1:] / bars.open[1:] - 1.0, 0.0) / 0.004
    rows[:, 2] = 0.01 * (strength * following + rng.normal(size=N_BARS))
    return a_tape(bars, rows, costs=costs(half_spread_frac=2e-4))


def lessons(tape: MarketTape, seed: int = 1, spans: list[Span] | None = None) -> FirstLessons:
    spans = SPANS if spans is None else spans
    return first_lessons([tape], spans, input_scaling([tape], spans), RowColumns(), CONFIG, (16,), 5, seed)


def test_what_foretells_the_next_bar_is_found_however_small_its_unit() -> None:
    tape = a_market(0.4)
    taught = lessons(tape)
    assert not taught.abstains
    assert taught.evidence.t_value > 4.0
    assert taught.rule is not None
    told = taught.rule.worth.of(side_inputs([tape]).predicted)[1_700:]
    assert np.corrcoef(told, tape.market_rows[1_700:, 2])[0, 1] > 0.9, "on later bars"


def test_noise_makes_it_abstain() -> None:
    verdicts = [lessons(a_market(0.0, seed)).abstains for seed in range(4)]
    assert sum(verdicts) >= 3


@pytest.mark.parametrize(("t_value", "size"), [(1.0, 0.25), (1.3, 0.5), (2.0, 0.75), (4.0, 1.0)])
def test_size_begins_at_the_share_of_the_evidence_that_is_not_luck(
    monkeypatch: pytest.MonkeyPatch, t_value: float, size: float
) -> None:
    """1 - 1/t²: none of one standard error, 0.41 of 1.3, 0.75 of two, 0.94 of four."""
    evidence = SideEvidence(0.1, t_value, 0.1)
    monkeypatch.setattr("agv2.rl.first_lessons.side_evidence", lambda *_: evidence)
    with_size = CONFIG.model_copy(update={"least_t": 1.0})
    tape = a_market(0.4)
    scaling = input_scaling([tape], SPANS)
    taught = first_lessons([tape], SPANS, scaling, RowColumns(), with_size, (16,), 5, 1)
    assert not taught.abstains
    rows = torch.randn(50, scaling.mean.size + len(PERMISSION_FIELDS))
    rows[:, -len(PERMISSION_FIELDS) :] = 1.0
    _, sizes, stops, targets = taught.network(rows).logits.split(ACTION_NVEC, dim=-1)
    assert {SIZE_FRACS[choice] for choice in sizes.argmax(-1).tolist()} == {size}
    assert set(stops.argmax(-1).tolist()) == set(targets.argmax(-1).tolist()) == {3}


def test_an_abstaining_policy_is_flat_and_not_trained_further() -> None:
    config = small_config(hindsight=CONFIG.model_copy(update={"least_t": 1e9}))
    result = train_policy([a_market(0.4)], SPANS, [Span(0, 1_720, 1_900)], config, 4_096, 1, 1e5)
    assert result.abstains
    assert result.curve == ()
    assert result.best is not None
    assert (result.best.score.fills, result.best.score.sharpe_per_bar) == (0, 0.0)


def test_training_begins_with_the_lessons_and_resumes_without_them(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    def trained(**changes: object) -> TrainedPolicy:
        config = small_config(hindsight=CONFIG, net_arch=(16,))
        return train_policy([a_market(0.4)], SPANS, [Span(0, 1_720, 1_900)], config, 16 * 16 * 8, 1, 1e5, **changes)  # type: ignore[arg-type]

    whole = trained()
    assert whole.validation[0].step == 0
    assert whole.validation[0].score.sharpe_per_bar > 0.1
    assert whole.evidence is not None

    class KilledError(Exception):
        pass

    def kill(step: int, *_: object) -> None:
        if step >= 16 * 16 * 5:
            raise KilledError

    with pytest.raises(KilledError):
        trained(checkpoint_dir=tmp_path, progress=kill)
    monkeypatch.setattr("agv2.rl.training.first_lessons", lambda *_: pytest.fail("taught again"))
    resumed = trained(checkpoint_dir=tmp_path)
    assert resumed.evidence == whole.evidence
    assert resumed.validation == whole.validation


def test_no_bar_after_the_spans_is_read() -> None:
    tape, changed = a_market(0.4), a_market(0.4)
    last = SPANS[0].last
    for name in ("open", "high", "low", "close"):
        changed.bars[name][last + 1 :] *= 3.0
    changed.market_rows[last + 1 :] = -50.0
    one, other = lessons(tape), lessons(changed)
    assert one.evidence == other.evidence
    for name, weight in one.network.state_dict().items():
        assert torch.equal(weight, other.network.state_dict()[name]), name
