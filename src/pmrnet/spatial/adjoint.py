"""Gradients of warping, as sequences of separately compiled pieces.

XLA on a CPU fuses a sum of gathers into loops that repeat the gathers for each use; one island
per piece keeps each of them at the cost of a single pass (measured: 2 to 3 times faster).
"""

from __future__ import annotations

import math

from keras import ops

from pmrnet.spatial import interpolation
from pmrnet.spatial.backend import island

_slope_along = island(interpolation.slope_along)
_scatter = island(interpolation.adjoint_values)
_within_one_voxel = island(interpolation.adjoint_values_within_one_voxel)

#: Voxels from which on the stencil repays the seconds that XLA takes to compile it. (A stencil of
#: radius two, for displacements up to two voxels, takes 20 s to compile and gains little.)
_WORTH_A_STENCIL = 32_000


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
        return _scatter(cotangent, displacement, grid=grid)

    if grid != tuple(displacement.shape[1:-1]) or math.prod(grid) < _WORTH_A_STENCIL:
        return scatter()
    return ops.cond(
        ops.max(ops.abs(displacement)) <= 1.0,
        lambda: _within_one_voxel(cotangent, displacement),
        scatter,
    )
