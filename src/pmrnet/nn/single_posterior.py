"""Networks whose velocity has one posterior, from which samples are drawn at no cost."""

from __future__ import annotations

from pmrnet.nn.cascade import CascadedNetwork
from pmrnet.nn.network import Inference


class SinglePosteriorNetwork(CascadedNetwork):
    """Base of networks that infer mean and log-variance of the velocity in one go."""

    def infer_posterior(self, moving: object, fixed: object, mean_only: bool) -> tuple:
        """Mean and log-variance, (batch, *(grid / 2), N); the latter None with `mean_only`."""
        raise NotImplementedError

    def look(self, moving: object, fixed: object, mean_only: bool) -> tuple:
        """Mean and log-variance of the velocity on the half grid."""
        return self.infer_posterior(moving, fixed, mean_only)

    def infer_seen(self, seen: tuple, training: bool) -> Inference:
        """The posterior, and in training a sample of it."""
        return Inference(*seen, self.sampler(list(seen))) if training else Inference(seen[0])
