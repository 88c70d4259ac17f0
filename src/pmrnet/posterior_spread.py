"""How far a network's displacement spreads under samples of its posterior velocity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from pmrnet.errors import InputError

if TYPE_CHECKING:
    from pmrnet.posterior_programs import PosteriorPrograms

#: draws of a posterior: a variance of 12 is off by 43 %, a standard deviation by half of that
DRAWS = 12


class PosteriorSpread:
    """Variance of the displacement, by samples of a network's posterior.

    Samples are drawn as in training, at every level by itself or, in a cascade, each level given
    the coarser ones' sample: noise of a coarse level moves neighbouring voxels together, which
    the fused variance on the finest grid knows nothing of.

    Parameters
    ----------
    posterior
        Of a network.
    """

    def __init__(self, posterior: PosteriorPrograms) -> None:
        self.posterior = posterior

    def variance(
        self,
        shared: Any,
        samples: int = DRAWS,
        seed: int = 0,
        temperature: float = 1.0,
    ) -> NDArray:
        """Variance of every component of the displacement.

        Parameters
        ----------
        shared
            From the posterior's `share`, of two images (1, X, Y, Z, 1).
        samples
            Number of draws, 2 or more. The relative standard error of a variance is
            sqrt(2 / (samples - 1)).
        seed
            Of the draws: the same one gives the same variance.
        temperature
            Factor of the posterior's variance, above 0; 1 for the posterior as the network
            gives it.

        Returns
        -------
        ndarray
            float32 (X, Y, Z, 3), square voxels of the network's image grid.

        Raises
        ------
        InputError
            If there are too few samples or the temperature is not above 0.
        """
        if samples < 2:
            raise InputError(
                f"samples: expected 2 or more draws, which a spread needs, found {samples}; give "
                "more."
            )
        if not 0 < temperature < np.inf:
            raise InputError(
                f"temperature: expected a number above 0, found {temperature}; 1 leaves the "
                "posterior as it is."
            )
        scale = ops.convert_to_tensor(np.sqrt(temperature), "float32")
        centre, state = self.posterior.draw(shared, self.posterior.state(seed), scale)
        # Sums about one of the draws, so that large displacements cost no digits.
        total, square = ops.zeros_like(centre), ops.zeros_like(centre)
        for _ in range(samples - 1):
            draw, state = self.posterior.draw(shared, state, scale)
            total, square = _added(draw - centre, total, square)
        total, square = (ops.convert_to_numpy(s)[0] for s in (total, square))
        return np.maximum(square - total**2 / samples, 0) / (samples - 1)


def _added(away: object, total: object, square: object) -> tuple[object, object]:
    return total + away, square + ops.square(away)
