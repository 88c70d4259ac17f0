"""Integration of a stationary velocity field by scaling and squaring (Arsigny et al. 2006).

exp(v) = (exp(v / 2^T)) o ... composed with itself T times; the first factor is taken as
Id + v / 2^T. This is VoxelMorph's `VecInt` with `method="ss"`.
"""

from __future__ import annotations

from keras import ops

from pmrnet.spatial import interpolation
from pmrnet.spatial.adjoint import add, displacement_gradient, values_gradient
from pmrnet.spatial.backend import island
from pmrnet.spatial.warping import warp


@island
def _square(u: object) -> object:
    return u + interpolation.interpolate(u, u)


@ops.custom_gradient
def square(u: object) -> object:
    """Compose a displacement with itself: u + u o (Id + u), shape (batch, *grid, N), voxels.

    The gradient keeps only u.
    """

    def gradient(*args: object, upstream: object = None) -> object:
        cotangent = args[0] if upstream is None else upstream
        return add(
            cotangent,
            values_gradient(cotangent, u, tuple(u.shape[1:-1])),
            displacement_gradient(u, u, cotangent),
        )

    return _square(u), gradient


def integrate(velocity: object, steps: int = 7) -> object:
    """Displacement of exp(v): scaling by 2^-steps, then `steps` squarings.

    Parameters
    ----------
    velocity
        (batch, *grid, N), voxels of its own grid per unit time.
    steps
        Number of squarings T; 7 in the paper's reference [4]. 0 returns the velocity itself.

    Returns
    -------
    tensor
        Displacement (batch, *grid, N) in voxels. `integrate(-v)` is its inverse.

    Raises
    ------
    ValueError
        If `steps` is negative or the field does not have one component per axis.
    """
    if steps < 0:
        raise ValueError(f"integrate needs a number of steps of 0 or more; got {steps}.")
    if velocity.shape[-1] != len(velocity.shape) - 2:
        raise ValueError(
            "integrate needs a velocity (batch, *grid, N) with one component per grid axis; got "
            f"{tuple(velocity.shape)}."
        )
    u = velocity * (0.5**steps)
    for _ in range(steps):
        u = square(u)
    return u


def compose(outer: object, inner: object) -> object:
    """Displacement of (Id + outer) o (Id + inner): inner + outer o (Id + inner), voxels."""
    return inner + warp(outer, inner)
