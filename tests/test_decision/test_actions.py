import itertools

import numpy as np
import pytest

from agv2.decision.actions import ACTION_NVEC, CONTINUOUS_ORDER, Action, decode_action, decode_continuous, snap_actions


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ((0.0, -1.0, -1.0, -1.0), Action(0, 0.25, 1.5, 2.25)),
        ((1.0, 1.0, 1.0, 1.0), Action(1, 1.0, 10.0, 40.0)),
        ((-1.0, -0.4, 0.1, 0.4), Action(-1, 0.5, 5.0, 15.0)),
        ((-0.34, 0.6, -0.1, -0.6), Action(-1, 1.0, 2.5, 3.75)),
        ((-0.33, 0.4, -0.9, -0.1), Action(0, 0.75, 1.5, 3.0)),
        ((0.34, 9.0, -9.0, 0.0), Action(1, 1.0, 1.5, 4.5)),  # what lies beyond counts as the end
    ],
)
def test_a_continuous_action_means_the_choices_it_snaps_to(written: tuple[float, ...], meant: Action) -> None:
    assert decode_continuous(*written) == meant
    (choices,) = snap_actions(np.array([written]))
    assert decode_action(*choices.tolist()) == meant


def test_the_middle_of_each_part_is_its_choice_and_sizes_rise() -> None:
    for parts in itertools.product(*map(range, ACTION_NVEC)):
        written = [2.0 * (part + 0.5) / n - 1.0 for part, n in zip(parts, ACTION_NVEC, strict=True)]
        choices = snap_actions(np.array([written]))[0].tolist()
        assert choices == [order[part] for order, part in zip(CONTINUOUS_ORDER, parts, strict=True)]
        assert decode_continuous(*written).side == parts[0] - 1
    sizes = [decode_continuous(1.0, size, 0.0, 0.0).size_frac for size in np.linspace(-1.0, 1.0, 41)]
    assert sizes == sorted(sizes)
    assert set(sizes) == {0.25, 0.5, 0.75, 1.0}
