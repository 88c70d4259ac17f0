"""Gradients of warping, as sequences of separately compiled pieces.

XLA on a CPU fuses a sum of gathers into loops that repeat the gathers for each use; one island
per piece keeps each of them at the cost of a single pass (measured: 2 to 3 times faster).
"""

from __future__ import annotations

import itertools
import math

from keras import ops

from pmrnet.spatial import interpolation
from pmrnet.spatial.backend import island

_slope_along = island(interpolation.slope_along)
_scatter_to_corner = island(interpolation.scatter_to_corner)
_within_one_voxel = island(interpolation.adjoint_values_within_one_voxel)

#: Voxels from which on the stencil repays the seconds that XLA takes to compile it. (A stencil of
#: radius two, for displacements up to two voxels, takes 20 s to compile and gains little.)
_WORTH_A_STENCIL = 32_000


@island
def add(*terms: object) -> object:
    """Sum of tensors in one pass."""
    return sum(terms[1:], terms[0])


@island
def _stack(*components: object) -> object:
    return ops.stack(components, axis=-1)


def displacement_gradient(values: object, displacement: object, cotangent: object) -> object:
    """Gradient of a warp with respect to its displacement; (batch, *out_grid, N)."""
    return _stack(
        *(
            _slope_along(values, displacement, cotangent, axis=axis)
            for axis in range(displacement.shape[-1])
        )
    )


def values_gradient(cotangent: object, displacement: object, grid: tuple[int, ...]) -> object:
    """Gradient of a warp with respect to the warped values; (batch, *grid, C).

    Takes the stencil where the largest displacement allows it and the scatter elsewhere; both
    are exact.
    """

    def scatter() -> object:
        # XLA scatters on one thread; TensorFlow runs the corners' islands side by side.
        corners = itertools.product((0, 1), repeat=len(grid))
        return add(
            *(
                _scatter_to_corner(
                    cotangent, displacement, ops.convert_to_tensor(corner, "float32"), grid=grid
                )
                for corner in corners
            )
        )

    if grid != tuple(displacement.shape[1:-1]) or math.prod(grid) < _WORTH_A_STENCIL:
        return scatter()
    return ops.cond(
        ops.max(ops.abs(displacement)) <= 1.0,
        lambda: _within_one_voxel(cotangent, displacement),
        scatter,
    )
