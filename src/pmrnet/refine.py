"""Instance refinement: the velocity of one pair, optimised from the network's answer.

The network's posterior mean is a good start and is amortised: it serves all pairs and none of them
perfectly. Here equation 6 is minimised for the pair at hand, over its own stationary velocity

    v = v0 + S w,    w = 0 at first,

where S is a binomial filter. Adam steps on w, not on v: its steps are about equally large in every
voxel, also where the image says nothing, and S turns that noise into a smooth change. What comes
out is the exponential of a velocity as before, so that it is invertible and the inverse is the
exponential of -v.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

import keras
from keras import ops

from pmrnet import spatial
from pmrnet.data.downsampling import downsample
from pmrnet.nn import losses
from pmrnet.nn.correlation import local_correlation
from pmrnet.refinement_settings import Refinement
from pmrnet.spatial.backend import island


def displacement_of(velocity: object, grid: tuple[int, ...], settings: Refinement) -> object:
    """Integrate a refined velocity and bring it to the images' grid: (1, *grid, N), voxels."""
    u = spatial.integrate(velocity, settings.integration_steps)
    return spatial.upsample_field(u, _log2(grid[0] / velocity.shape[1]))


def refine(
    moving: object,
    fixed: object,
    velocity: object,
    settings: Refinement,
    symmetric: bool = False,
) -> tuple[object, dict[str, Any]]:
    """Lower equation 6 for one pair, starting from a velocity.

    Parameters
    ----------
    moving, fixed
        (1, *grid, 1), intensities in [0, 1].
    velocity
        (1, *(grid / n), N) in voxels of its own grid, n a power of two: the first guess, whose
        displacement moves `moving` onto `fixed`. One that is finer than the first level's is
        brought to its grid: what that level finds is smooth and mends no errors of fine detail.
        Where what the level of its own grid ends with has the higher loss, that of the velocity
        given is taken in its place.
    settings
        See `Refinement`.
    symmetric
        Whether the similarity is the mean of both directions': of `moving` moved by v with `fixed`,
        and of `fixed` moved by -v with `moving`.

    Returns
    -------
    velocity
        (1, *(grid / n), N), n the last level's spacing, in voxels of its own grid: the one of the
        lowest loss on that level; with `steps=0`, the velocity given.
    record
        `settings`, `seconds`, and per level its spacings, steps and losses, for metrics.

    Raises
    ------
    ValueError
        If shapes do not match, or the velocity cannot be halved to the first level's grid.
    """
    started = time.perf_counter()
    record: dict[str, Any] = {"settings": asdict(settings), "levels": []}
    spacing = _spacing(moving, fixed, velocity)
    if not any(settings.steps):
        return velocity, record | {"seconds": 0.0}
    given, finest = velocity, spacing
    while spacing < settings.velocity_spacing[0]:
        velocity, spacing = _halved(velocity), 2 * spacing
    halved = spacing > finest
    left = settings.seconds
    levels = zip(settings.levels, settings.velocity_spacing, settings.steps, strict=True)
    for number, (level, wanted, steps) in enumerate(levels):
        velocity, spacing = spatial.upsample_field(velocity, _log2(spacing / wanted)), wanted
        share = None if left is None else left / (len(settings.levels) - number)
        images = [_coarser(image, level) for image in (moving, fixed)]
        velocity, entry = _level(*images, velocity, settings, symmetric, steps, share)
        left = None if left is None else left - entry["seconds"]
        if halved and spacing == finest:
            # A small budget may not have regained the detail that was left out at first.
            start = ops.convert_to_tensor(given)
            _, before = _level(*images, start, settings, symmetric, 0, None)
            if before["loss"] < entry["loss"]:
                velocity, entry["loss"] = given, before["loss"]
            halved = False
        record["levels"].append({"spacing": level, "velocity_spacing": spacing, **entry})
    return velocity, record | {"seconds": time.perf_counter() - started}


def _halved(velocity: object) -> object:
    """Smooth a velocity and keep every other voxel of it, in voxels of that grid."""
    grid = tuple(velocity.shape[1:-1])
    if any(n % 2 for n in grid):
        raise ValueError(
            f"refine needs a velocity that can be halved to the first level's grid; got one of "
            f"{grid} voxels on the way."
        )
    smooth = _add_smooth(ops.zeros_like(velocity), velocity, passes=1)
    every_other = tuple(slice(None, None, 2) for _ in grid)
    return 0.5 * smooth[(slice(None), *every_other)]


def _log2(ratio: float) -> int:
    return round(ratio).bit_length() - 1


def _spacing(moving: object, fixed: object, velocity: object) -> int:
    """Voxels of the images per voxel of the velocity."""
    grid, coarse = tuple(moving.shape[1:-1]), tuple(velocity.shape[1:-1])
    ratio = grid[0] // coarse[0]
    fits = (
        tuple(moving.shape) == tuple(fixed.shape) == (1, *grid, 1)
        and tuple(velocity.shape) == (1, *coarse, len(grid))
        and grid == tuple(n * ratio for n in coarse)
        and ratio & (ratio - 1) == 0
    )
    if not fits:
        raise ValueError(
            "refine needs two images (1, *grid, 1) and a velocity (1, *(grid / n), N), n a power "
            f"of two; got {tuple(moving.shape)}, {tuple(fixed.shape)} and {tuple(velocity.shape)}."
        )
    return ratio


def _coarser(image: object, factor: int) -> object:
    if factor == 1:
        return ops.convert_to_tensor(image)
    image = ops.convert_to_numpy(image)
    grid = image.shape[1:-1]
    # A plane is a volume of one slice, whose only slice is kept.
    reduced = downsample(image.reshape(grid + (1,) * (3 - len(grid))), factor)
    return ops.convert_to_tensor(reduced.reshape(1, *(n // factor for n in grid), 1))


def _level(
    moving: object,
    fixed: object,
    start: object,
    settings: Refinement,
    symmetric: bool,
    steps: int,
    seconds: float | None,
) -> tuple[object, dict[str, Any]]:
    """Adam on one grid until the loss stalls or the budget is spent; the best velocity.

    The clock starts after the first loss, with which the step is compiled in a new process.
    """
    doublings = _log2(moving.shape[1] / start.shape[1])
    step = _step(_Problem.of(settings, doublings, symmetric))
    state = tuple(ops.zeros_like(start) for _ in range(3))
    best, losses_seen, stalled = start, [], 0
    started = math.inf
    while True:
        count = len(losses_seen)
        velocity, loss, state = step(moving, fixed, start, state, ops.cast(count + 1, "float32"))
        lowest = min(losses_seen, default=math.inf)
        losses_seen.append(float(loss))
        started = min(started, time.perf_counter())
        spent = time.perf_counter() - started
        if losses_seen[-1] < lowest:
            best = velocity
        # The share of the loss that must be gained is taken of the new one: the old may be inf.
        gained = losses_seen[-1] + settings.tolerance * abs(losses_seen[-1]) < lowest
        stalled = 0 if gained else stalled + 1
        late = seconds is not None and spent >= seconds
        if count == steps or stalled >= settings.patience or late:
            break
    found = {"steps": count, "first_loss": losses_seen[0], "loss": min(losses_seen)}
    return best, {**found, "seconds": spent}


@dataclass(frozen=True)
class _Problem:
    """What a compiled step depends on besides shapes."""

    doublings: int
    symmetric: bool
    window: int
    image_sigma: float
    prior_lambda: float
    smoothing: int
    integration_steps: int
    learning_rate: float

    @classmethod
    def of(cls, settings: Refinement, doublings: int, symmetric: bool) -> _Problem:
        names = [field.name for field in fields(cls)][2:]
        return cls(doublings, symmetric, *(getattr(settings, name) for name in names))

    def velocity(self, start: object, change: object) -> object:
        return _add_smooth(start, change, passes=self.smoothing)

    def loss(self, moving: object, fixed: object, velocity: object) -> object:
        """Equation 6 without the terms of the variance."""
        image = self._image_term(moving, fixed, velocity)
        if self.symmetric:
            image = 0.5 * (image + self._image_term(fixed, moving, -velocity))
        differences = losses.mean_square_gradient(velocity)
        return image + 0.25 * velocity.shape[-1] * self.prior_lambda * differences

    def _image_term(self, moving: object, fixed: object, velocity: object) -> object:
        u = spatial.integrate(velocity, self.integration_steps)
        u = spatial.upsample_field(u, self.doublings)
        moved = spatial.warp(moving, u, differentiate_values=False)
        if self.window:
            return (1.0 - local_correlation(fixed, moved, self.window)) / self.image_sigma**2
        return losses.reconstruction(fixed, moved, self.image_sigma)


@island
def _add_smooth(start: object, change: object, passes: int) -> object:
    """v0 + S w; at the border S takes the edge's value for what is beyond."""
    for _ in range(passes):
        for axis in range(1, len(change.shape) - 1):
            size = change.shape[axis]
            first, last, lower, upper = ([slice(None)] * len(change.shape) for _ in range(4))
            first[axis], last[axis] = slice(0, 1), slice(size - 1, size)
            lower[axis], upper[axis] = slice(0, size - 1), slice(1, size)
            before = ops.concatenate([change[tuple(first)], change[tuple(lower)]], axis=axis)
            after = ops.concatenate([change[tuple(upper)], change[tuple(last)]], axis=axis)
            change = 0.5 * change + 0.25 * (before + after)
    return start + change


@island
def _adam(state: tuple, gradient: object, count: object, learning_rate: float) -> tuple:
    """One step of Adam (Kingma & Ba 2015) on (w, first moment, second moment)."""
    change, first, second = state
    first = 0.9 * first + 0.1 * gradient
    second = 0.999 * second + 0.001 * ops.square(gradient)
    scaled = first / (1.0 - ops.power(0.9, count))
    scale = ops.sqrt(second / (1.0 - ops.power(0.999, count))) + 1e-8
    return change - learning_rate * scaled / scale, first, second


@functools.cache
def _step(problem: _Problem) -> Callable:
    """Compiled (moving, fixed, v0, state, count) -> velocity of the state, its loss, next state."""

    def score(change: object, moving: object, fixed: object, start: object) -> tuple:
        velocity = problem.velocity(start, change)
        return problem.loss(moving, fixed, velocity), velocity

    def advance(state: tuple, gradient: object, count: object) -> tuple:
        return _adam(state, gradient, count, learning_rate=problem.learning_rate)

    if keras.backend.backend() == "jax":
        import jax

        def step(
            moving: object, fixed: object, start: object, state: tuple, count: object
        ) -> tuple:
            scored = jax.value_and_grad(score, has_aux=True)(state[0], moving, fixed, start)
            (loss, velocity), gradient = scored
            return velocity, loss, advance(state, gradient, count)

        return jax.jit(step)
    import tensorflow as tf

    @tf.function(autograph=False, reduce_retracing=False)
    def step(moving: object, fixed: object, start: object, state: tuple, count: object) -> tuple:
        with tf.GradientTape() as tape:
            tape.watch(state[0])
            loss, velocity = score(state[0], moving, fixed, start)
        return velocity, loss, advance(state, tape.gradient(loss, state[0]), count)

    return step
