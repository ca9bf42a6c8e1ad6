import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from agv2.core.arrays import FloatArray
from agv2.core.errors import DataError
from agv2.models.garch_baseline import GarchForecast, garch_forecast
from agv2.models.row_losses import pinball_rows
from agv2.models.training_rows import TrainingSeries
from agv2.models.variance_filter import GarchParams
from tests.test_models.markets import forward, no_levels

HORIZONS = (1, 3, 12)
LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
TRUE = GarchParams(omega=2e-8, alpha=0.08, beta=0.9, degrees=5.0)


def garch_path(n_bars: int, seed: int, params: GarchParams = TRUE) -> tuple[FloatArray, FloatArray]:
    """Returns, and the variance of each that the bar before it knew."""
    shocks = np.random.default_rng(seed).standard_t(params.degrees, n_bars)
    shocks *= math.sqrt((params.degrees - 2.0) / params.degrees)
    returns, variances = np.empty(n_bars), np.empty(n_bars)
    variance = params.omega / (1.0 - params.alpha - params.beta)
    for t in range(n_bars):
        variances[t] = variance
        returns[t] = math.sqrt(variance) * shocks[t]
        variance = params.omega + params.alpha * returns[t] ** 2 + params.beta * variance
    return returns, variances


def series_of(returns: FloatArray, sigma: FloatArray | float = 0.001) -> TrainingSeries:
    n_bars = len(returns)
    sigmas = np.broadcast_to(np.asarray(sigma, dtype=np.float64), n_bars).copy()
    return TrainingSeries(
        symbol="TEST",
        ts_ns=np.arange(n_bars, dtype=np.int64),
        features=np.zeros((n_bars, 1), dtype=np.float32),
        sigma=sigmas,
        future=forward(returns, sigmas, HORIZONS),
        regime=np.zeros(n_bars, dtype=np.int64),
        **no_levels(n_bars),
    )


def forecast(series: TrainingSeries, train: range, score: range) -> GarchForecast:
    return garch_forecast(series, train, score, HORIZONS, LEVELS)


def losses(quantiles: FloatArray, series: TrainingSeries, score: range) -> FloatArray:
    means: FloatArray = np.nanmean(pinball_rows(quantiles, series.future[score.start : score.stop], LEVELS), axis=0)
    return means


def true_scale(variances: FloatArray, sigma: float) -> FloatArray:
    """(n_bars - 1, 3) true standard deviation ahead of each bar, by running the recursion step by step."""
    ahead = variances[1:]
    columns = []
    for horizon in HORIZONS:
        step, total = ahead.copy(), np.zeros_like(ahead)
        for _ in range(horizon):
            total += step
            step = TRUE.omega + (TRUE.alpha + TRUE.beta) * step
        columns.append(np.sqrt(total / horizon) / sigma)
    return np.stack(columns, axis=1)


@pytest.fixture(scope="module")
def known() -> tuple[TrainingSeries, FloatArray, GarchForecast, range]:
    returns, variances = garch_path(50_000, seed=41)
    series, score = series_of(returns), range(25_100, 49_900)
    return series, variances, forecast(series, range(100, 25_000), score), score


def test_parameters_of_known_noise_are_found(
    known: tuple[TrainingSeries, FloatArray, GarchForecast, range],
) -> None:
    _, _, found, _ = known
    assert found.failure == ""
    assert found.params.alpha == pytest.approx(TRUE.alpha, abs=0.02)
    assert found.params.alpha + found.params.beta == pytest.approx(0.98, abs=0.012)
    assert found.params.degrees == pytest.approx(TRUE.degrees, rel=0.12)


def test_scale_over_every_horizon_is_that_of_the_true_recursion(
    known: tuple[TrainingSeries, FloatArray, GarchForecast, range],
) -> None:
    _, variances, found, score = known
    truth = true_scale(variances, 0.001)[score.start : score.stop]
    np.testing.assert_allclose(np.median(found.scale / truth, axis=0), 1.0, atol=0.03)
    assert np.quantile(np.abs(found.scale / truth - 1.0), 0.95) < 0.05


def test_pinball_loss_is_near_the_oracles_and_far_below_the_unconditional(
    known: tuple[TrainingSeries, FloatArray, GarchForecast, range],
) -> None:
    series, variances, found, score = known
    # The oracle knows the variance, and the shape of its sums from a long path of its own.
    long, long_variances = garch_path(200_000, seed=42)
    others = series_of(long).future[:-1] / true_scale(long_variances, 0.001)
    shapes = np.nanquantile(others, LEVELS, axis=0).T
    oracle = losses(true_scale(variances, 0.001)[score.start : score.stop, :, None] * shapes, series, score)
    flat = np.nanquantile(series.future[100:25_000], LEVELS, axis=0).T
    unconditional = losses(np.broadcast_to(flat, found.quantiles.shape), series, score)
    ours = losses(found.quantiles, series, score)
    assert (ours < 1.004 * oracle).all()
    assert (ours < 0.985 * unconditional).all()


def test_quantiles_cover_what_they_say_on_known_noise(
    known: tuple[TrainingSeries, FloatArray, GarchForecast, range],
) -> None:
    series, _, found, score = known
    below = series.future[score.start : score.stop, :, None] <= found.quantiles
    np.testing.assert_allclose(below.mean(axis=0), np.tile(LEVELS, (3, 1)), atol=0.02)


def test_skewed_jumps_that_no_garch_made_are_covered_too() -> None:
    generator = np.random.default_rng(43)
    jumps = np.where(generator.random(40_000) < 0.02, -0.006, 0.0)  # downwards alone, and without clusters
    returns = 0.001 * generator.standard_normal(40_000) + jumps - jumps.mean()
    series, score = series_of(returns), range(20_000, 39_980)
    found = forecast(series, range(19_900), score)
    below = (series.future[score.start : score.stop, :, None] <= found.quantiles).mean(axis=0)
    np.testing.assert_allclose(below, np.tile(LEVELS, (3, 1)), atol=0.02)


def test_no_forecast_knows_more_than_its_bar_does() -> None:
    returns, _ = garch_path(3000, seed=44)
    score = range(2000, 2500)
    moved = returns.copy()
    moved[2301:] *= 30.0
    one, two = (forecast(series_of(each), range(1900), score) for each in (returns, moved))
    np.testing.assert_array_equal(one.quantiles[:301], two.quantiles[:301])  # rows up to bar 2300
    assert (one.quantiles[301] != two.quantiles[301]).any()


def test_nothing_after_training_moves_the_fit() -> None:
    returns, _ = garch_path(3000, seed=45)
    moved = returns.copy()
    moved[1950:] *= 30.0
    one, two = (forecast(series_of(each), range(1900), range(1900, 1910)) for each in (returns, moved))
    assert one.params == two.params


def test_unit_of_the_target_is_that_of_each_bar() -> None:
    returns, _ = garch_path(3000, seed=46)
    sigma = 0.001 * np.exp(np.sin(np.arange(3000) / 50.0))
    plain, scaled = (forecast(series_of(returns, one), range(1900), range(2000, 2900)) for one in (0.001, sigma))
    factor = (0.001 / sigma[2000:2900])[:, None]
    # The target of bar t - 1 comes back as its return only to rounding, and the search ends a little elsewhere.
    np.testing.assert_allclose(scaled.scale, plain.scale * factor, rtol=1e-3)


def test_a_gap_of_unknown_returns_is_ignored_and_the_variance_drifts_to_its_mean() -> None:
    returns, _ = garch_path(6000, seed=47)
    series = series_of(returns)
    future = series.future.copy()
    future[4000:4400, 0] = np.nan  # the returns of bars 4001 to 4400
    found = forecast(replace(series, future=future), range(3900), range(3990, 4600))
    assert np.isfinite(found.quantiles).all()
    omega, alpha, beta, _ = found.params
    mean = math.sqrt(omega / (1.0 - alpha - beta)) / 0.001
    assert found.scale[409, 0] == pytest.approx(mean, rel=0.02)
    training_gap = future.copy()
    training_gap[1000:1200] = np.nan
    assert forecast(replace(series, future=training_gap), range(3900), range(3990, 4600)).failure == ""


def test_persistence_of_one_is_a_fit_and_not_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Markets often sit on that bound, which the search passes by its tolerance."""
    returns, _ = garch_path(8000, seed=48, params=GarchParams(1e-9, 0.25, 0.7499, 3.0))
    found = forecast(series_of(returns), range(7000), range(7100, 7900))
    assert found.failure == ""
    assert found.params.alpha + found.params.beta > 0.99
    assert np.isfinite(found.quantiles).all()
    beyond = SimpleNamespace(convergence_flag=0, loglikelihood=0.0, params=[0.01, 0.10001, 0.9, 5.0])
    univariate = pytest.importorskip("arch.univariate.base")
    monkeypatch.setattr(univariate.ARCHModel, "fit", lambda *_, **__: beyond)
    found = forecast(series_of(returns), range(7000), range(7100, 7900))
    assert found.params.alpha + found.params.beta == pytest.approx(1.0, abs=1e-12)


def test_a_price_that_hardly_moves_gets_ewma_and_a_reason() -> None:
    returns = np.zeros(3000)
    returns[::40] = 0.001
    found = forecast(series_of(returns), range(2000), range(2100, 2900))
    assert found.failure == "only 49 training returns differ from zero"
    assert (found.params.alpha, found.params.beta) == (0.06, 0.94)
    assert np.isfinite(found.quantiles).all()
    still = forecast(series_of(np.zeros(3000)), range(2000), range(2100, 2900))
    assert (still.quantiles == 0.0).all()


def test_few_bars_get_ewma_and_a_reason() -> None:
    returns, _ = garch_path(400, seed=49)
    found = forecast(series_of(returns), range(200), range(250, 380))
    assert found.failure == "199 training returns are fewer than 250"
    assert np.isfinite(found.quantiles).all()


def test_a_long_standstill_does_not_end_the_volatility() -> None:
    returns, _ = garch_path(6000, seed=50)
    returns[3000:3500] = 0.0
    found = forecast(series_of(returns), range(5000), range(3400, 3600))
    assert found.scale.min() > 0.04 * returns.std() / 0.001


def test_a_standstill_does_not_end_the_volatility_of_ewma() -> None:
    returns, _ = garch_path(1500, seed=53)
    returns[300:1400] = 0.0
    found = forecast(series_of(returns), range(200), range(1300, 1490))
    assert found.failure
    assert found.scale.min() == pytest.approx(0.05 * math.sqrt(np.square(returns[1:200]).mean()) / 0.001)


def test_a_search_that_stops_where_it_began_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may call that success; another start with a higher likelihood says otherwise."""
    univariate = pytest.importorskip("arch.univariate.base")
    search = univariate.ARCHModel.fit

    def stuck(model: object, *words: object, starting_values: FloatArray | None, **named: object) -> object:
        if starting_values is None or starting_values[3] == 4.0:
            return SimpleNamespace(convergence_flag=0, loglikelihood=-1e9, params=[0.02, 0.05, 0.93, 6.0])
        return search(model, *words, starting_values=starting_values, **named)

    returns, _ = garch_path(8000, seed=54)
    expected = forecast(series_of(returns), range(7000), range(7100, 7900)).params
    monkeypatch.setattr(univariate.ARCHModel, "fit", stuck)
    found = forecast(series_of(returns), range(7000), range(7100, 7900)).params
    np.testing.assert_allclose(found, expected, rtol=0.02)


def test_a_search_that_fails_gets_ewma_and_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object, **__: object) -> None:
        raise np.linalg.LinAlgError("singular")

    univariate = pytest.importorskip("arch.univariate.base")
    monkeypatch.setattr(univariate.ARCHModel, "fit", lost)
    returns, _ = garch_path(1000, seed=51)
    found = forecast(series_of(returns), range(800), range(850, 950))
    assert found.failure == "the search for parameters failed on 799 training returns"
    assert np.isfinite(found.quantiles).all()


def test_what_cannot_be_forecast_is_refused() -> None:
    returns, _ = garch_path(500, seed=52)
    series = series_of(returns)
    with pytest.raises(DataError, match="the first of one bar"):
        garch_forecast(series, range(300), range(300, 400), (3, 12, 24), LEVELS)
    with pytest.raises(DataError, match="no training row knows"):
        forecast(replace(series, future=np.full_like(series.future, np.nan)), range(300), range(300, 400))
