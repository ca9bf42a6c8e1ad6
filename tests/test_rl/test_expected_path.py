"""What a bar may be expected to earn: found where a forecast tells it, nothing where it does not."""

import numpy as np
import pytest

from agv2.core.arrays import FloatArray
from agv2.rl.expected_path import RowColumns, expected_path, fit_worth, forecasts, row_weights

N = 20_000


def a_path(body: FloatArray) -> FloatArray:
    path = np.zeros((body.size, 5))
    path[:, 0], path[:, 1], path[:, 2:] = 0.01, body - 0.01, 0.2
    return path


def test_luck_goes_and_what_was_foretold_stays() -> None:
    rng = np.random.default_rng(0)
    told = 0.01 * rng.normal(size=N)
    path = a_path(5.0 * told + rng.normal(size=N))
    found = expected_path(path, np.stack([told, rng.normal(size=N)], axis=1), [range(15_000)])
    assert found[:, 0].tolist() == [0.0] * N
    np.testing.assert_array_equal(found[:, 2:], path[:, 2:])
    assert found[15_000:, 1] == pytest.approx(5.0 * told[15_000:], abs=0.06)
    assert found[:, 1].std() == pytest.approx(0.05, rel=0.2)


def test_what_all_bars_have_in_common_is_no_forecast() -> None:
    """A market that rose by a fifth of a volatility a bar, and a forecast whose level says so."""
    rng = np.random.default_rng(3)
    told = 0.01 * rng.normal(size=N)
    rose, still = a_path(5.0 * told + rng.normal(size=N)), a_path(np.zeros(N))
    still[:, :2] = rose[:, :2]
    rose[:, 1] += 0.2
    taught = [range(15_000)]
    found = expected_path(rose, (told + 0.3)[:, np.newaxis], taught)
    np.testing.assert_allclose(found[:, 1], expected_path(still, told[:, np.newaxis], taught)[:, 1], atol=2e-4)
    assert abs(found[:15_000, 1].mean()) < 1e-12


def test_it_is_fitted_on_the_taught_rows_alone_and_unknown_rows_promise_nothing() -> None:
    rng = np.random.default_rng(1)
    told, body = rng.normal(size=(N, 2)), rng.normal(size=N)
    told[:100] = np.nan
    taught = [range(5_000), range(9_000, 12_000)]
    found = expected_path(a_path(body), told, taught)
    other = body.copy()
    other[5_000:9_000] += 3.0
    other[12_000:] -= 3.0
    np.testing.assert_array_equal(expected_path(a_path(other), told, taught)[:, 1], found[:, 1])
    assert found[:100, 1].tolist() == [0.0] * 100


def test_one_wild_bar_does_not_outvote_the_rest() -> None:
    rng = np.random.default_rng(2)
    told, body = rng.normal(size=(N, 1)), rng.normal(size=N)
    calm = expected_path(a_path(body), told, [range(N)])
    body[7] = 1e4
    wild = expected_path(a_path(body), told, [range(N)])
    assert np.abs(wild[:, 1] - calm[:, 1]).max() < 0.01


def test_forecasts_are_medians_and_means_of_what_follows_the_embedding() -> None:
    rows = np.arange(24, dtype=np.float32).reshape(2, 12)
    found = forecasts(rows, RowColumns(embedding=2, horizons=2, levels=3))
    np.testing.assert_allclose(found, [[3.0, 6.0, 3.0, 6.0], [15.0, 18.0, 15.0, 18.0]])
    np.testing.assert_allclose(forecasts(rows, RowColumns(embedding=2)), rows[:, 2:])


def test_weights_of_rows_say_what_weights_of_forecasts_say() -> None:
    rng = np.random.default_rng(4)
    rows, weights = rng.normal(size=(5, 12)).astype(np.float32), rng.normal(size=4)
    for columns in (RowColumns(2, 2, 3), RowColumns(embedding=8)):
        np.testing.assert_allclose(
            rows @ row_weights(weights, columns, 12), forecasts(rows, columns) @ weights, rtol=1e-6
        )


def test_forecasts_that_move_together_share_what_neither_can_claim() -> None:
    """One signal seen twice with a little noise: least squares would set one against the other."""
    rng = np.random.default_rng(5)
    signal = rng.normal(size=N)
    seen = np.stack([signal + 0.05 * rng.normal(size=N) for _ in range(2)], axis=1)
    found = fit_worth(seen, np.arange(N), 0.05 * signal + rng.normal(size=N))
    assert found.weights == pytest.approx([0.025, 0.025], abs=0.006)
    assert found.weights[0] == pytest.approx(found.weights[1], rel=0.2)
