"""Reliability of predicted standard deviations: curves and single numbers.

A predicted standard deviation is calibrated where the errors that it is predicted for have it:
among all points of a predicted 1 mm the root mean square error is 1 mm, and a region predicted to
hold the truth with a probability of 90 % holds it nine times out of ten (Kuleshov et al., ICML
2018; Levi et al., Sensors 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pmrnet.calibration.points import Points
from pmrnet.errors import InputError

#: probabilities at which the coverage is looked at
NOMINAL = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True, eq=False)
class DeviationCurve:
    """Root mean square of what was predicted and of what happened, in bins of the prediction.

    Attributes
    ----------
    predicted, actual
        Per bin, mm, of the length over all components; both (bins,).
    count
        Points per bin.
    """

    predicted: NDArray
    actual: NDArray
    count: NDArray


def deviation_curve(points: Points, bins: int = 10) -> DeviationCurve:
    """Sort points by the predicted standard deviation and compare within bins of equal count.

    Parameters
    ----------
    points
        Predictions and errors.
    bins
        Number of quantile bins; fewer points than bins are refused.

    Raises
    ------
    InputError
        If there are fewer points than bins.
    """
    count = len(points.error)
    if not 1 <= bins <= count:
        raise InputError(
            f"reliability: expected at least one point in each of {bins} bins, found {count} "
            "points; take more of them or fewer bins."
        )
    predicted, actual = points.predicted, points.actual
    parts = np.array_split(np.argsort(predicted, kind="stable"), bins)
    return DeviationCurve(
        np.array([_rms(predicted[part]) for part in parts]),
        np.array([_rms(actual[part]) for part in parts]),
        np.array([len(part) for part in parts]),
    )


def coverage(points: Points, nominal: tuple[float, ...] = NOMINAL) -> NDArray:
    """Share of points whose error lies in the region of each nominal probability.

    The region is that of a normal distribution with the predicted standard deviations along the
    axes: an ellipsoid (d = 3) or an interval (d = 1), within which the sum of squared ratios is
    below the chi-square quantile of d degrees of freedom.

    Returns
    -------
    ndarray
        As many as `nominal`; equal to it where predictions are calibrated, below where they are
        overconfident.
    """
    limits = stats.chi2.ppf(nominal, points.components)
    return (points.squared_ratio[:, None] <= limits).mean(axis=0)


@dataclass(frozen=True)
class Summary:
    """Numbers that say in short how good the predictions are.

    Attributes
    ----------
    predicted_mm, actual_mm
        Root mean square over all points.
    error_to_deviation
        Root mean square of the error in units of its predicted standard deviation, per component:
        1 where calibrated, 5 where the error is five times what was predicted.
    coverage_error
        Mean over `NOMINAL` of the distance of the coverage from the nominal probability: the
        expected calibration error; 0 at best, 0.545 where no region holds anything.
    spearman
        Rank correlation over points of predicted and actual length: whether points of a larger
        prediction have the larger error at all, which no temperature changes; NaN for constant
        predictions.
    points
        Number of points.
    """

    predicted_mm: float
    actual_mm: float
    error_to_deviation: float
    coverage_error: float
    spearman: float
    points: int


def summarise(points: Points) -> Summary:
    """Reduce predictions and errors to a `Summary`."""
    predicted, actual = points.predicted, points.actual
    constant = np.ptp(predicted) == 0 or np.ptp(actual) == 0
    return Summary(
        predicted_mm=_rms(predicted),
        actual_mm=_rms(actual),
        error_to_deviation=float(np.sqrt(points.squared_ratio.mean() / points.components)),
        coverage_error=float(np.abs(coverage(points) - NOMINAL).mean()),
        spearman=float("nan") if constant else float(stats.spearmanr(predicted, actual)[0]),
        points=len(predicted),
    )


def _rms(values: NDArray) -> float:
    return float(np.sqrt(np.square(values).mean()))
