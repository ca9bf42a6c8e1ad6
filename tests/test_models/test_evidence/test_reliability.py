import numpy as np
import pytest

from agv2.core.errors import ShapeError
from agv2.models.evidence.reliability import reliability_points

RNG = np.random.default_rng(0)
PROBS = RNG.random(20_000)


def test_probabilities_that_mean_what_they_say_lie_on_the_diagonal() -> None:
    points = reliability_points(PROBS, RNG.random(20_000) < PROBS)
    assert [point.n for point in points] == [2_000] * 10
    assert max(abs(point.predicted - point.happened) for point in points) < 0.04
    assert [point.predicted for point in points] == sorted(point.predicted for point in points)


def test_probabilities_that_are_too_sure_do_not() -> None:
    true = 0.5 + 0.4 * (PROBS - 0.5)
    points = reliability_points(PROBS, RNG.random(20_000) < true)
    assert points[0].happened > points[0].predicted + 0.2
    assert points[-1].happened < points[-1].predicted - 0.2


def test_a_constant_is_one_point() -> None:
    happened = np.arange(100) < 30
    (point,) = reliability_points(np.full(100, 0.4), happened)
    assert tuple(point) == pytest.approx((0.4, 0.3, 100))


def test_nothing_is_no_point_and_lengths_must_agree() -> None:
    assert reliability_points(np.empty(0), np.empty(0, dtype=np.bool_)) == ()
    with pytest.raises(ShapeError, match="3 predictions and 2 outcomes"):
        reliability_points(np.zeros(3), np.zeros(2, dtype=np.bool_))
