"""Errors of a registration at some points, with the standard deviations predicted for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pmrnet.errors import InputError


@dataclass(frozen=True, eq=False)
class Points:
    """Predicted standard deviation and actual error at points.

    Attributes
    ----------
    deviation, error
        (n, d), millimetres, each component by itself: d = 3 along the axes where the whole error
        is known, d = 1 where only a component of it is. Signs of errors do not matter.

    Raises
    ------
    InputError
        If there are no points, the shapes differ, or a deviation is not above 0.
    """

    deviation: NDArray
    error: NDArray

    def __post_init__(self) -> None:
        shape = self.deviation.shape
        if shape != self.error.shape or len(shape) != 2 or 0 in shape:
            raise InputError(
                "calibration: expected deviations and errors of one shape (points, components), "
                f"found {shape} and {self.error.shape}; check that there is a brain, or that "
                "there are labels, to compare at."
            )
        if not (np.isfinite(self.error).all() and (self.deviation > 0).all()):
            raise InputError(
                "calibration: expected errors that are finite and standard deviations above 0, "
                "found others; check the weights, which may have no posterior."
            )

    @property
    def components(self) -> int:
        """Number of components d."""
        return self.error.shape[1]

    @property
    def predicted(self) -> NDArray:
        """Length of the standard deviation, mm: root of the sum of the variances; (n,)."""
        return np.sqrt(np.square(self.deviation).sum(axis=1))

    @property
    def actual(self) -> NDArray:
        """Length of the error, mm; (n,)."""
        return np.sqrt(np.square(self.error).sum(axis=1))

    @property
    def squared_ratio(self) -> NDArray:
        """Sum over components of (error / deviation)^2, chi-square of d where calibrated; (n,)."""
        return np.square(self.error / self.deviation).sum(axis=1)


def joined(parts: Iterable[Points]) -> Points:
    """All points together."""
    parts = list(parts)
    return Points(
        np.concatenate([part.deviation for part in parts]),
        np.concatenate([part.error for part in parts]),
    )
