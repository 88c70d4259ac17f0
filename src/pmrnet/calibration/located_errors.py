"""Errors of a registration at places of the network grid, waiting for predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pmrnet.calibration.points import Points


@dataclass(frozen=True, eq=False)
class LocatedErrors:
    """What was found at some places of a fixed subject; the same whatever the temperature.

    Attributes
    ----------
    at
        (n, 3), voxels of the network grid on which deviations are given.
    error
        (n, 3) along the axes of the grid, or (n, 1) along `direction`; mm.
    direction
        (n, 3) unit vectors along which the error was measured; None where all of it is known.
    """

    at: NDArray
    error: NDArray
    direction: NDArray | None = None

    def values(self, volume: NDArray) -> NDArray:
        """A map (X, Y, Z) of the network grid, linearly interpolated at the places; (n,)."""
        return ndimage.map_coordinates(volume, self.at.T, order=1, mode="nearest")

    def with_deviation(self, deviation: NDArray) -> Points:
        """Look the predicted deviations up.

        Parameters
        ----------
        deviation
            (X, Y, Z, 3), mm, of each component. Variances are interpolated linearly; along a
            direction n the variance is sum(n_i^2 s_i^2), components being taken as
            uncorrelated, which those of the velocity's posterior are.
        """
        variance = np.stack(
            [self.values(np.square(deviation[..., axis])) for axis in range(3)], axis=1
        ).astype(float)
        if self.direction is not None:
            variance = (np.square(self.direction) * variance).sum(axis=1, keepdims=True)
        return Points(np.sqrt(variance), self.error)
