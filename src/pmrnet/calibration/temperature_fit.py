"""The factor of the posterior's variance that makes errors as large as predicted."""

from __future__ import annotations

from collections.abc import Callable

from pmrnet.calibration.points import Points


def fit_factor(points: Points) -> float:
    """Factor of all predicted variances that makes the errors most likely.

    Errors are taken as normal, of mean 0 and of the predicted variances times the factor t. The
    logarithm of their likelihood, -(n d / 2) log t - sum(e^2 / s^2) / (2 t) and a constant, has
    its only maximum at

        t = sum(e^2 / s^2) / (n d),

    the mean squared error in units of the predicted variance. (Temperature scaling, Guo et al.,
    ICML 2017, for a normal distribution: Levi et al., Sensors 2022.)

    Returns
    -------
    float
        1 for calibrated predictions, s^2 for errors s times as large as predicted.
    """
    return float(points.squared_ratio.mean() / points.components)


def fit_temperature(
    measure: Callable[[float], Points], tolerance: float = 0.01, rounds: int = 10
) -> list[float]:
    """Temperature of a posterior whose samples pass through a deformation.

    The displacement's standard deviation grows more slowly than the root of the temperature: noise
    that is large within a voxel's reach averages itself out in the integral. So `fit_factor` is
    found for the posterior as it is and then at the temperature found, until it stays 1.

    Parameters
    ----------
    measure
        Gives the points for a temperature.
    tolerance
        How far from 1 the last factor may be.
    rounds
        Largest number of factors.

    Returns
    -------
    list of float
        The temperature after each round; the last one counts.
    """
    found = [fit_factor(measure(1.0))]
    while len(found) < rounds:
        factor = fit_factor(measure(found[-1]))
        found.append(found[-1] * factor)
        if abs(factor - 1) < tolerance:
            break
    return found
