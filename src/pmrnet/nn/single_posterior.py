"""Networks whose velocity has one posterior, from which samples are drawn at no cost."""

from __future__ import annotations

from pmrnet.nn.network import Inference, RegistrationNetwork


class SinglePosteriorNetwork(RegistrationNetwork):
    """Base of networks that infer mean and log-variance of the velocity in one go."""

    def infer_posterior(self, moving: object, fixed: object, mean_only: bool) -> tuple:
        """Mean and log-variance, (batch, *(grid / 2), N); the latter None with `mean_only`."""
        raise NotImplementedError

    def infer(self, moving: object, fixed: object, training: bool) -> Inference:
        """Posterior of the velocity on the half grid."""
        posterior = self.infer_posterior(moving, fixed, mean_only=not training)
        return self.draw_from(posterior) if training else Inference(posterior[0])

    def shared_by_draws(self, moving: object, fixed: object) -> tuple:
        """Mean and log-variance."""
        return self.infer_posterior(moving, fixed, mean_only=False)

    def mean_from(self, shared: tuple) -> object:
        """Mean, as it is."""
        return shared[0]

    def draw_from(self, shared: tuple) -> Inference:
        """One sample of the posterior."""
        return Inference(*shared, self.sampler(list(shared)))
