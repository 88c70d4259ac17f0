"""The factor of the posterior's variance that makes errors as large as predicted."""

from __future__ import annotations

import math
from collections.abc import Callable

from pmrnet.calibration.points import Points
from pmrnet.errors import InputError

#: within which the slope of a round's line is taken
_SLOPES = -3.0, -0.3


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

    The displacement's variance is no multiple of the temperature: noise that is large within a
    voxel's reach averages itself out in the integral, and the folds that it makes add spread. So
    `fit_factor` is found for the posterior as it is and at the temperatures that follow, until it
    is 1. Its logarithm is nearly a straight line over that of the temperature; each round takes
    the line through the last two, the first one the slope of -1 that it has without an integral.

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

    Raises
    ------
    InputError
        If the factor is not 1 within the tolerance after the last round.
    """
    found, slope = [1.0], -1.0
    factors = []
    while len(factors) < rounds:
        factors.append(fit_factor(measure(found[-1])))
        if len(factors) > 1:
            run, rise = (math.log(of[-1] / of[-2]) for of in (found, factors))
            # Chance, where both points are near each other, could turn or level the line.
            slope = min(max(rise / run, _SLOPES[0]), _SLOPES[1]) if run else slope
        found.append(found[-1] * math.exp(-math.log(factors[-1]) / slope))
        if len(factors) > 1 and abs(factors[-1] - 1) < tolerance:
            return found[1:]
    raise InputError(
        f"temperature: expected errors as large as predicted within {tolerance:.0%} after {rounds} "
        f"rounds, found variances {factors[-1]:.3g} times too small; take more pairs or samples."
    )
