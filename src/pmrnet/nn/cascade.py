"""Networks that may look again at the moving image as they have moved it."""

from __future__ import annotations

from typing import Any

from keras import ops

from pmrnet import spatial
from pmrnet.errors import InputError
from pmrnet.nn.network import Inference, RegistrationNetwork
from pmrnet.value_checks import is_count, is_count_or_0


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
    coarse_passes
        How often it looks before that at images of half the resolution, where it sees twice as
        far; ours, 0 in the paper.
    """

    def __init__(self, *, passes: int = 1, coarse_passes: int = 0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        if passes < 1:
            raise ValueError(f"passes must be 1 or more; got {passes}.")
        if not is_count_or_0(coarse_passes):
            raise ValueError(f"coarse_passes must be 0 or more; got {coarse_passes!r}.")
        self.passes = passes
        self.coarse_passes = coarse_passes
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
        return _sum(velocity, self.sample_seen(seen))

    def _before_draws(self, moving: object, fixed: object, passes: int, mean_only: bool) -> tuple:
        velocity = self._coarse_velocity(moving, fixed) if self.coarse_passes else None
        looked = self.look_at_fixed(fixed)
        velocity = self._look_on(moving, looked, passes - 1, velocity)
        return velocity, self.look(self._moved(moving, velocity), looked, mean_only)

    def _look_on(self, moving: object, looked: Any, passes: int, velocity: object = None) -> object:
        """Velocity after so many more passes; None is that before the first."""
        for _ in range(passes):
            seen = self.look(self._moved(moving, velocity), looked, mean_only=True)
            velocity = _sum(velocity, self.infer_seen(seen, training=False).mean)
        return velocity

    def _moved(self, moving: object, velocity: object) -> object:
        if velocity is None:
            return moving
        displacement = self.resize_displacement(self.integration(velocity))
        return self.transformer([moving, displacement])

    def _coarse_velocity(self, moving: object, fixed: object) -> object:
        """Velocity of the passes at half the resolution, on the grid of the others' velocity."""
        # The coarse grid need not be one that the network takes: margins of 0 make it one. They are
        # added before halving: right before the encoder's own padding, TensorFlow's compiled
        # predictions on a CPU lost one of the two.
        fine = moving.shape[1:-1]
        margins = [(0, 0), *((0, -n % (2 * self.multiple)) for n in fine), (0, 0)]
        moving, fixed = (spatial.halve(ops.pad(image, margins)) for image in (moving, fixed))
        velocity = self._look_on(moving, self.look_at_fixed(fixed), self.coarse_passes)
        inside = (slice(None), *(slice(0, n // 2) for n in fine))
        return spatial.upsample_field(velocity, 1)[inside]

    def _infer_last(self, velocity: object, seen: Any, training: bool) -> Inference:
        last = self.infer_seen(seen, training)
        last.mean = _sum(velocity, last.mean)
        if training:
            last.sample = _sum(velocity, last.sample)
        return last

    def get_config(self) -> dict:
        """Constructor arguments."""
        own = {"passes": self.passes, "coarse_passes": self.coarse_passes}
        return {**super().get_config(), **own}


def _sum(before: object, velocity: object) -> object:
    """Velocity of a pass after others; None before the first."""
    return velocity if before is None else before + velocity


def with_passes(
    network: RegistrationNetwork, passes: int, coarse_passes: int | None = None
) -> CascadedNetwork:
    """A network of the same weights that looks so often, whatever it was trained with.

    Parameters
    ----------
    network
        With weights; is left as it is.
    passes
        1 or more, without the coarse ones.
    coarse_passes
        0 or more; None for the network's own number. Where both numbers are the network's own, it
        is returned.

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
    coarse_passes = network.coarse_passes if coarse_passes is None else coarse_passes
    if not is_count_or_0(coarse_passes):
        raise InputError(
            f"coarse passes: expected 0 or more, found {coarse_passes}; give another number."
        )
    if (passes, coarse_passes) == (network.passes, network.coarse_passes):
        return network
    counts = {"passes": passes, "coarse_passes": coarse_passes}
    other = type(network).from_config({**network.get_config(), **counts})
    other.build()
    other.set_weights(network.get_weights())
    return other
