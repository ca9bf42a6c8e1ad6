import numpy as np
import pytest

from agv2.core.errors import DataError, ShapeError
from agv2.models.normalizer import Normalizer


def _values() -> "np.typing.NDArray[np.float64]":
    values = np.random.default_rng(0).normal((3.0, -1.0), (2.0, 0.1), (5000, 2))
    values[:10] = np.nan
    return values


def test_normalised_features_have_mean_zero_and_scale_one() -> None:
    normalised = Normalizer.fit(_values()).transform(_values())[10:]
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised.mean(axis=0), 0.0, atol=0.01)
    np.testing.assert_allclose(normalised.std(axis=0), 1.0, atol=0.02)


def test_rows_of_the_warmup_stay_nan_and_are_not_fitted() -> None:
    fitted = Normalizer.fit(_values())
    np.testing.assert_array_equal(fitted.mean, Normalizer.fit(_values()[10:]).mean)
    assert np.isnan(fitted.transform(_values())[:10]).all()


def test_one_spike_does_not_set_the_scale() -> None:
    spiked = _values()
    spiked[100, 0] = 1e9
    assert Normalizer.fit(spiked).scale[0] == pytest.approx(Normalizer.fit(_values()).scale[0], rel=0.01)
    assert Normalizer.fit(spiked).transform(spiked)[100, 0] == 8.0


def test_a_feature_that_never_moves_becomes_zero() -> None:
    values = np.full((50, 1), 0.3)
    np.testing.assert_array_equal(Normalizer.fit(values).transform(values), 0.0)


def test_a_row_alone_equals_that_row_in_the_history() -> None:
    values = _values()
    fitted = Normalizer.fit(values)
    np.testing.assert_array_equal(fitted.transform(values)[77], fitted.transform(values[77]))


def test_it_survives_its_arrays() -> None:
    fitted = Normalizer.fit(_values(), clip=5.0)
    again = Normalizer.from_arrays(fitted.arrays())
    assert again.clip == 5.0
    np.testing.assert_array_equal(again.transform(_values()), fitted.transform(_values()))


def test_nothing_to_fit_is_an_error() -> None:
    with pytest.raises(DataError, match="warm-up"):
        Normalizer.fit(np.full((5, 2), np.nan))


def test_another_number_of_features_is_an_error() -> None:
    with pytest.raises(ShapeError, match="expected 2 features, got 3"):
        Normalizer.fit(_values()).transform(np.zeros((4, 3)))
