"""Reliability of normal errors, whose curves, numbers and temperature are known."""

import numpy as np
import pytest

from pmrnet.calibration.points import Points, joined
from pmrnet.calibration.reliability import NOMINAL, coverage, deviation_curve, summarise
from pmrnet.calibration.temperature_fit import fit_factor, fit_temperature
from pmrnet.errors import InputError

COUNT = 40_000


def normal_points(rng, components, factor=1.0, count=COUNT):
    """Errors of `factor` times the deviation that is predicted, which differs between points."""
    deviation = rng.uniform(0.2, 2.0, (count, 1)) * rng.uniform(0.5, 1.5, (1, components))
    return Points(deviation, factor * deviation * rng.normal(size=deviation.shape))


@pytest.mark.parametrize("components", [1, 3])
class TestCalibrated:
    def test_curve_is_the_diagonal(self, rng, components):
        curve = deviation_curve(normal_points(rng, components), bins=8)
        np.testing.assert_allclose(curve.actual, curve.predicted, rtol=0.05)
        assert (np.diff(curve.predicted) > 0).all()
        assert curve.count.tolist() == [COUNT // 8] * 8

    def test_coverage_is_nominal(self, rng, components):
        points = normal_points(rng, components)
        np.testing.assert_allclose(coverage(points), NOMINAL, atol=4 * 0.5 / COUNT**0.5)
        assert summarise(points).coverage_error < 0.005

    def test_temperature_is_one(self, rng, components):
        points = normal_points(rng, components)
        # The mean of n d squares of standard normals has the variance 2 / (n d).
        error = 4 * (2 / (COUNT * components)) ** 0.5
        assert fit_factor(points) == pytest.approx(1, abs=error)
        assert summarise(points).error_to_deviation == pytest.approx(1, abs=error)


@pytest.mark.parametrize("components", [1, 3])
@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_errors_scaled_by_s_have_temperature_s_squared(rng, components, factor):
    points = normal_points(rng, components, factor)
    found = fit_factor(points)
    assert found == pytest.approx(factor**2, rel=0.03)
    # Overconfident below, underconfident above the diagonal.
    assert (np.sign(coverage(points) - NOMINAL) == np.sign(1 - factor)).all()
    curve = deviation_curve(points)
    np.testing.assert_allclose(curve.actual, factor * curve.predicted, rtol=0.1)
    mended = Points(points.deviation * found**0.5, points.error)
    assert summarise(mended).coverage_error < 0.01
    # A temperature changes no order.
    assert summarise(mended).spearman == pytest.approx(summarise(points).spearman)


def test_factor_is_the_most_likely_one(rng):
    """Against the likelihood itself, on a grid of factors."""
    points = normal_points(rng, 3, 1.7, count=200)

    def loss(t):
        variance = t * points.deviation**2
        return (points.error**2 / variance + np.log(variance)).sum()

    grid = np.geomspace(0.5, 10, 4001)
    best = grid[np.argmin([loss(t) for t in grid])]
    assert fit_factor(points) == pytest.approx(best, rel=1e-3)


def test_known_numbers():
    """By hand: components of 3, 4 predicted 1 and an error along one axis."""
    deviation = np.array([[1.0, 2.0, 2.0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])
    points = Points(deviation, np.array([[2.0, 0, 0], [0, 0.5, 0], [0, 0, 0]]))
    np.testing.assert_allclose(points.predicted, [3, 0.75**0.5, 0.75**0.5])
    np.testing.assert_allclose(points.actual, [2, 0.5, 0])
    np.testing.assert_allclose(points.squared_ratio, [4, 1, 0])
    assert fit_factor(points) == pytest.approx(5 / 9)
    # The quantile of chi-square with 3 degrees of freedom at 0.5 is 2.366.
    np.testing.assert_allclose(coverage(points, (0.5,)), [2 / 3])
    curve = deviation_curve(points, bins=2)
    np.testing.assert_allclose(curve.actual, [(0.25 / 2) ** 0.5, 2])
    assert curve.count.tolist() == [2, 1]


def test_rank_correlation_says_whether_the_prediction_tells_anything(rng):
    deviation = rng.uniform(0.5, 2, (500, 1))
    assert summarise(Points(deviation, deviation**2)).spearman == pytest.approx(1)
    assert summarise(Points(deviation, 1 / deviation)).spearman == pytest.approx(-1)
    assert np.isnan(summarise(Points(np.ones((500, 1)), deviation)).spearman)


def test_never_right(rng):
    points = Points(np.full((50, 3), 1e-3), np.ones((50, 3)))
    assert coverage(points).max() == 0
    assert summarise(points).coverage_error == pytest.approx(np.mean(NOMINAL))


class TestTemperatureOfASampledSpread:
    def test_spread_that_grows_with_the_root(self, rng):
        deviation = rng.uniform(0.5, 2, (3000, 3))
        error = 2.5 * deviation * rng.normal(size=deviation.shape)
        rounds = fit_temperature(lambda t: Points(t**0.5 * deviation, error))
        np.testing.assert_allclose(rounds, rounds[0])
        assert rounds[0] == pytest.approx(6.25, rel=0.05)

    @pytest.mark.parametrize("exponent", [0.3, 0.65, 0.9, 1.5, 2.1, 3.0])
    def test_spread_that_grows_otherwise(self, rng, exponent):
        """The stored fits have variances that grow by exponents of 0.65 to 1.5."""
        deviation = rng.uniform(0.5, 2, (3000, 1))
        error = 8 * deviation * rng.normal(size=deviation.shape)

        def measure(t):
            return Points(t ** (exponent / 2) * deviation, error)

        rounds = fit_temperature(measure)
        assert rounds[-1] == pytest.approx(fit_factor(measure(1.0)) ** (1 / exponent), rel=0.01)
        assert len(rounds) <= 4
        assert abs(np.log(fit_factor(measure(rounds[0])))) > 0.1

    def test_spread_that_bends(self, rng):
        """It begins with one exponent and ends with another."""
        deviation = rng.uniform(0.5, 2, (3000, 1))
        error = 8 * deviation * rng.normal(size=deviation.shape)

        def measure(t):
            return Points((t**0.7 / (1 + t / 20) ** 0.4) ** 0.5 * deviation, error)

        rounds = fit_temperature(measure)
        assert fit_factor(measure(rounds[-1])) == pytest.approx(1, abs=0.01)

    def test_one_that_does_not_settle(self, rng):
        points = normal_points(rng, 1, factor=3.0)
        with pytest.raises(InputError, match="9 times too small; take more"):
            fit_temperature(lambda _: points)


def test_joined(rng):
    parts = [normal_points(rng, 3, count=n) for n in (5, 7)]
    whole = joined(parts)
    np.testing.assert_array_equal(whole.error[5:], parts[1].error)
    assert len(whole.deviation) == 12


def test_unusable_points():
    some = np.ones((4, 3))
    with pytest.raises(InputError, match=r"found \(4, 3\) and \(4, 1\)"):
        Points(some, some[:, :1])
    with pytest.raises(InputError, match="check that there is a brain"):
        Points(some[:0], some[:0])
    with pytest.raises(InputError, match="no posterior"):
        Points(0 * some, some)
    with pytest.raises(InputError, match="finite"):
        Points(some, some * np.nan)
    with pytest.raises(InputError, match="found 4 points"):
        deviation_curve(Points(some, some), bins=5)
