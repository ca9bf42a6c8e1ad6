"""Rules of sides: what they earn is a walk along the bars, the best is found, and a network can be one."""

import numpy as np
import pytest
import torch

from agv2.core.arrays import FloatArray
from agv2.core.errors import ConfigError
from agv2.decision.action_mask import PERMISSION_FIELDS
from agv2.decision.actions import ACTION_NVEC
from agv2.decision.observation import BOOK_FIELDS
from agv2.rl.expected_path import RowColumns, Worth
from agv2.rl.input_scaling import InputScaling
from agv2.rl.rule_network import network_of_rule
from agv2.rl.side_rules import SideRule, best_rule, rule_rewards

RULE = SideRule(Worth(np.array([0.1, -0.2, 0.0]), np.array([0.8, 0.5, -0.3])), 0.4, -0.1, 0.9, 0.0)
ENTERS_LATE = RULE._replace(enter=1.1, leave=0.6)


def walked(rule: SideRule, worth: FloatArray) -> list[int]:
    """Sides in plain words, for comparison."""
    sides, held = [], 0
    for now in worth:
        wants_long = now - (rule.leave if held > 0 else rule.enter)
        wants_short = -now - (rule.leave if held < 0 else rule.enter)
        best = max((0.0, 0), (wants_short, -1), (wants_long, 1))
        held = best[1] if best[0] > 0 else 0
        sides.append(held)
    return sides


@pytest.mark.parametrize("rule", [RULE, ENTERS_LATE], ids=["holds on", "leaves early"])
def test_rewards_are_those_of_walking_along_the_bars(rule: SideRule) -> None:
    rng = np.random.default_rng(1)
    worth, path = rng.normal(size=300), rng.uniform(0.0, 0.3, size=(300, 5))
    path[:, :2] -= 0.15
    rewards = np.empty(300)
    turned, held = rule_rewards(worth, rule.enter, rule.leave, path, rewards)
    before, expected = 0, []
    for side, (gap, body, turn, long_nights, short_nights) in zip(walked(rule, worth), path, strict=True):
        nights = long_nights if before > 0 else short_nights if before < 0 else 0.0
        expected.append(before * gap + side * body - abs(side - before) * turn - nights)
        before = side
    np.testing.assert_allclose(rewards, expected, atol=1e-12)
    sides = np.array([0, *walked(rule, worth)])
    assert turned == pytest.approx(np.abs(np.diff(sides)).mean())
    assert held == pytest.approx((sides[1:] != 0).mean())


@pytest.mark.parametrize("arch", [(3,), (16, 8), (64, 64), (5, 4, 3)], ids=str)
@pytest.mark.parametrize("rule", [RULE, ENTERS_LATE], ids=["holds on", "leaves early"])
def test_a_network_can_be_a_rule(rule: SideRule, arch: tuple[int, ...]) -> None:
    """Five columns of which one is not read and three are forecasts, on scales of their own."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(400, 5)).astype(np.float32)
    n_book = len(BOOK_FIELDS) - len(PERMISSION_FIELDS)
    mean = np.concatenate([[9.0, 0.2, 0.1, -0.3, 0.4], np.zeros(n_book)]).astype(np.float32)
    factor = np.concatenate([[0.0, 2.0, 3.0, 0.5, 1.0], np.ones(n_book)]).astype(np.float32)
    rule = rule._replace(worth=Worth(np.append(rule.worth.centre, 0.0), np.append(rule.worth.weights, 0.1)))
    network = network_of_rule(rule, RowColumns(embedding=1), InputScaling(mean, factor), arch, 3)
    worth, held, found, clear = rule.worth.of(rows[:, 1:].astype(float)), 0, [], 0
    wished = walked(rule, worth)
    for row, side in zip(rows, wished, strict=True):
        seen = np.concatenate([row, np.zeros(n_book)])
        seen[5 + BOOK_FIELDS.index("side")] = held
        scaled = np.concatenate([(seen - mean) * factor, np.ones(len(PERMISSION_FIELDS))]).astype(np.float32)
        with torch.inference_mode():
            logits = network(torch.from_numpy(scaled)[None]).logits[0, : ACTION_NVEC[0]]
        found.append((0, 1, -1)[int(logits.argmax())])
        clear += found[-1] == side
        held = side
    # Where both sides beat their thresholds the network compares bent worths, so a few turns come a little late.
    assert clear >= 0.97 * len(rows)
    assert {*found} == {-1, 0, 1}


def test_too_narrow_a_network_is_refused() -> None:
    scaling = InputScaling(np.zeros(20, np.float32), np.ones(20, np.float32))
    with pytest.raises(ConfigError, match=r"net_arch is \[64, 2\].*3 units or more"):
        network_of_rule(RULE, RowColumns(), scaling, (64, 2), 1)


def a_path(body: FloatArray, turn: float) -> FloatArray:
    path = np.zeros((body.size, 5))
    path[:, 1], path[:, 2] = body, turn
    return path


def test_rare_worth_is_waited_for_and_lasting_worth_is_held() -> None:
    """One bar in five is foretold, for five bars on end; between them holding would be risk for nothing."""
    rng = np.random.default_rng(3)
    n = 20_000
    told = np.repeat(rng.choice([-1.0, 0.0, 1.0], n // 5, p=[0.1, 0.8, 0.1]), 5)
    paths = a_path(0.4 * told + rng.normal(size=n), turn=0.2)
    found = best_rule(paths, told[:, np.newaxis], [range(15_000)])
    assert found is not None
    later = slice(15_000, n)
    rewards = np.empty(5_000)
    turned, held = rule_rewards(
        found.worth.of(told[later, np.newaxis]), found.enter, found.leave, paths[later], rewards
    )
    assert held == pytest.approx(0.2, abs=0.03)
    assert turned < 0.1
    # 0.4 a bar less a fifth of a round trip of 0.4, on a fifth of the bars.
    assert rewards.mean() == pytest.approx(0.2 * (0.4 - 0.4 / 5.0), abs=0.015)


def test_no_bar_outside_of_what_is_taught_is_read() -> None:
    rng = np.random.default_rng(4)
    told, body = rng.normal(size=(4_000, 2)), rng.normal(size=4_000)
    taught = [range(1_000), range(1_500, 3_000)]
    found = best_rule(a_path(body, 0.1), told, taught)
    for outside in (slice(1_000, 1_500), slice(3_000, 4_000)):
        body[outside] = 50.0
        told[outside] = -9.0
    other = best_rule(a_path(body, 0.1), told, taught)
    assert found is not None
    assert other is not None
    np.testing.assert_array_equal(found.worth.weights, other.worth.weights)
    assert found[1:] == other[1:]


def test_where_nothing_is_known_there_is_no_rule() -> None:
    assert best_rule(a_path(np.zeros(500), 0.1), np.full((500, 2), np.nan), [range(500)]) is None
