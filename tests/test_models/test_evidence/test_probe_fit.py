import numpy as np
import pytest

from agv2.core.arrays import FloatArray
from agv2.models.evidence.probe_fit import Sample, class_probe, value_probe
from agv2.models.row_losses import log_loss_rows

N_INPUTS = 20


def inputs(n_rows: int, seed: int) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((n_rows, N_INPUTS))


def values(x: FloatArray, noise: float, seed: int = 0) -> FloatArray:
    drawn: FloatArray = 3.0 + 2.0 * x[:, 0] - x[:, 1] + noise * np.random.default_rng(seed).standard_normal(len(x))
    return drawn


def test_a_straight_line_is_found_whatever_the_units() -> None:
    teach, tail, asked = inputs(500, 1), inputs(300, 2), inputs(100, 3)
    scale = np.geomspace(1e-3, 1e3, N_INPUTS)
    teach_sample, tail_sample = (
        Sample(teach * scale + 7.0, values(teach, 0.0)),
        Sample(tail * scale + 7.0, values(tail, 0.0)),
    )
    said = value_probe(teach_sample, tail_sample, teach_sample)(asked * scale + 7.0)
    np.testing.assert_allclose(said, values(asked, 0.0), atol=0.05)


def test_what_is_noise_is_shrunk_to_a_constant() -> None:
    x, y = inputs(60, 4), np.random.default_rng(5).standard_normal(60)
    tail = Sample(inputs(300, 6), np.random.default_rng(7).standard_normal(300))
    said = value_probe(Sample(x, y), tail, Sample(x, y))(inputs(100, 8))
    assert np.abs(said - y.mean()).max() < 0.25


def test_the_tail_chooses_and_the_whole_is_fitted() -> None:
    """The same rows under other values: only the last sample may show in what is said."""
    x, tail = inputs(400, 9), inputs(200, 10)
    one = value_probe(Sample(x, values(x, 0.1)), Sample(tail, values(tail, 0.1)), Sample(x, -values(x, 0.0)))
    np.testing.assert_allclose(one(tail), -values(tail, 0.0), atol=0.1)


def test_classes_on_either_side_of_a_plane_are_told_apart() -> None:
    teach, tail, asked = inputs(2000, 11), inputs(500, 12), inputs(500, 13)
    label = [(x[:, 0] > 0.0).astype(np.int64) + 2 * (x[:, 0] > 1.0) - (x[:, 0] > 1.0) for x in (teach, tail, asked)]
    said = class_probe(Sample(teach, label[0]), Sample(tail, label[1]), Sample(teach, label[0]))(asked)
    np.testing.assert_allclose(said.sum(axis=1), 1.0)
    assert log_loss_rows(said, label[2]).mean() < 0.35


def test_a_class_that_was_never_seen_has_no_probability() -> None:
    x = inputs(300, 14)
    y = 2 * (x[:, 0] > 0.0).astype(np.int64)
    said = class_probe(Sample(x, y), Sample(x, y), Sample(x, y))(x)
    assert said.shape == (300, 3)
    assert not said[:, 1].any()
    alone = class_probe(Sample(x, np.ones(300, dtype=np.int64)), Sample(x, y), Sample(x, np.ones(300, dtype=np.int64)))
    np.testing.assert_array_equal(alone(x), np.tile([0.0, 1.0, 0.0], (300, 1)))


def test_an_input_that_never_moves_does_no_harm() -> None:
    x = inputs(400, 15)
    x[:, 5] = 4.0
    sample = Sample(x, values(x, 0.1))
    assert np.square(value_probe(sample, sample, sample)(x) - sample.y).mean() == pytest.approx(0.01, rel=0.3)


def test_an_input_that_hardly_moved_does_not_decide_when_it_does() -> None:
    x, asked = inputs(400, 16), inputs(100, 17)
    x[:, 5], asked[:, 5] = 0.0, 50.0
    x[7, 5] = 1e-2
    sample = Sample(x, values(x, 0.1))
    said = value_probe(sample, sample, sample)(asked)
    assert np.square(said - values(asked, 0.0)).mean() < 0.2
