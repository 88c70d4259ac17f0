"""What a network predicts for a pair of prepared subjects: displacement and its spread."""

from __future__ import annotations

import math

import numpy as np
from keras import ops
from numpy.typing import NDArray

from pmrnet import spatial
from pmrnet.data.prepared import PreparedSubject
from pmrnet.inference import Registrar
from pmrnet.nn.network import RegistrationNetwork
from pmrnet.posterior_programs import PosteriorPrograms
from pmrnet.posterior_spread import PosteriorSpread


class Predictor(Registrar):
    """`Registrar` that also gives the standard deviation of the displacement.

    Parameters
    ----------
    network, spacing
        As of `Registrar`.
    samples, seed
        Draws of the posterior, and their seed. A variance of n draws is off by a relative
        sqrt(2 / (n - 1)), which makes the mean of error^2 / variance too large by a factor of up
        to (n - 1) / (n - 3): 7 % with 32.
    """

    def __init__(
        self, network: RegistrationNetwork, spacing: int, samples: int = 32, seed: int = 0
    ) -> None:
        super().__init__(network, spacing)
        self.samples, self.seed = samples, seed
        self._posterior = PosteriorPrograms(network)
        self._spread = PosteriorSpread(self._posterior)

    def deviation(
        self, moving: PreparedSubject, fixed: PreparedSubject, temperature: float = 1.0
    ) -> NDArray:
        """Standard deviation of every component of the displacement.

        Returns
        -------
        ndarray
            float32 (X, Y, Z, 3), mm, on the grid of the subjects' stored images.
        """
        shared = self._posterior.share(self._image(moving), self._image(fixed))
        variance = self._spread.variance(shared, self.samples, self.seed, temperature)
        deviation = (np.sqrt(variance) * self.spacing).astype(np.float32)
        times = round(math.log2(self.spacing / fixed.spacing))
        upsampled = spatial.upsample(ops.convert_to_tensor(deviation[None]), times)
        return ops.convert_to_numpy(upsampled)[0]
