"""Networks that may look again at the moving image as they have moved it."""

from __future__ import annotations

from typing import Any

from keras import ops

from pmrnet.errors import InputError
from pmrnet.nn.network import Inference, RegistrationNetwork
from pmrnet.value_checks import is_count


class CascadedNetwork(RegistrationNetwork):
    """Base of networks that a shared-weight cascade can be made of.

    Each pass sees the fixed image and the moving one as the passes before have moved it (Zhao et
    al., ICCV 2019), always resampled from the original. The velocities add up, so that the result
    is the exponential of one velocity as without passes, and inverts. Gradients go through all
    passes. Subclasses implement `look` and `infer_seen`.

    Parameters
    ----------
    passes
        How often the network looks, with the same weights; once in the paper. All passes but the
        last take the mean, and what the loss sees of levels and variance is of the last one.
    """

    def __init__(self, *, passes: int = 1, **kwargs: object) -> None:
        super().__init__(**kwargs)
        if passes < 1:
            raise ValueError(f"passes must be 1 or more; got {passes}.")
        self.passes = passes
        #: how many of them a training step takes; to be set before compiling
        self.training_passes = passes

    def look_at_fixed(self, fixed: object) -> Any:
        """What all passes need of the fixed image, which they see unchanged."""
        return fixed

    def look(self, moving: object, fixed: Any, mean_only: bool) -> Any:
        """What a pass makes of the images before samples are drawn: tensors, in lists or tuples.

        `fixed` is from `look_at_fixed`; with `mean_only`, no sample will be.
        """
        raise NotImplementedError

    def infer_seen(self, seen: Any, training: bool) -> Inference:
        """What `infer` returns, of one pass, from what `look` gave."""
        raise NotImplementedError

    def sample_seen(self, seen: Any) -> object:
        """A sample of the velocity of one pass, from what `look` gave."""
        return self.infer_seen(seen, training=True).sample

    def infer(self, moving: object, fixed: object, training: bool) -> Inference:
        """Posterior of the velocity of all passes; its levels are those of the last one."""
        passes = self.training_passes if training else self.passes
        return self._infer_last(*self._before_draws(moving, fixed, passes, not training), training)

    def shared_by_draws(self, moving: object, fixed: object) -> tuple:
        """Velocity of all passes but the last, and what that one makes of the images."""
        return self._before_draws(moving, fixed, self.passes, mean_only=False)

    def mean_from(self, shared: tuple) -> object:
        """Mean of the velocity: the last pass."""
        return self._infer_last(*shared, training=False).mean

    def draw_from(self, shared: tuple) -> Inference:
        """One `draw`: the last pass."""
        return self._infer_last(*shared, training=True)

    def sample_from(self, shared: tuple) -> object:
        """One sample of the velocity: the last pass."""
        velocity, seen = shared
        return velocity + self.sample_seen(seen)

    def _before_draws(self, moving: object, fixed: object, passes: int, mean_only: bool) -> tuple:
        velocity = ops.zeros(())  # of the passes before
        looked, moved = self.look_at_fixed(fixed), moving
        for _ in range(passes - 1):
            seen = self.look(moved, looked, mean_only=True)
            velocity = velocity + self.infer_seen(seen, training=False).mean
            displacement = self.resize_displacement(self.integration(velocity))
            moved = self.transformer([moving, displacement])
        return velocity, self.look(moved, looked, mean_only)

    def _infer_last(self, velocity: object, seen: Any, training: bool) -> Inference:
        last = self.infer_seen(seen, training)
        last.mean = velocity + last.mean
        if training:
            last.sample = velocity + last.sample
        return last

    def get_config(self) -> dict:
        """Constructor arguments."""
        return {**super().get_config(), "passes": self.passes}


def with_passes(network: RegistrationNetwork, passes: int) -> CascadedNetwork:
    """A network of the same weights that looks so often, whatever it was trained with.

    Parameters
    ----------
    network
        With weights; is left as it is.
    passes
        1 or more; where it is the network's own number, the network is returned.

    Raises
    ------
    InputError
        If it is less, or the network is none that may look again.
    """
    if not isinstance(network, CascadedNetwork):
        raise InputError(
            f"passes: expected a network that may look again at what it has moved, found "
            f"{type(network).__name__}; leave the passes out, or take other weights."
        )
    if not is_count(passes):
        raise InputError(f"passes: expected 1 or more, found {passes}; give another number.")
    if passes == network.passes:
        return network
    other = type(network).from_config({**network.get_config(), "passes": passes})
    other.build()
    other.set_weights(network.get_weights())
    return other
