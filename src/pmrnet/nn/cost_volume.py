"""How well features match at each of the small displacements around a voxel."""

from __future__ import annotations

import itertools

from keras import ops

from pmrnet.spatial.backend import island


@island
def _costs(fixed: object, moving: object, scale: object, radius: int) -> object:
    grid = tuple(fixed.shape[1:-1])
    border = [[0, 0], *([[radius, radius]] * len(grid)), [0, 0]]
    padded = ops.pad(moving, border)
    costs = []
    for offset in itertools.product(range(2 * radius + 1), repeat=len(grid)):
        window = tuple(slice(o, o + n) for o, n in zip(offset, grid, strict=True))
        difference = fixed - padded[(slice(None), *window)]
        costs.append(ops.mean(ops.square(difference) * scale, axis=-1))
    return ops.stack(costs, axis=-1)


def cost_volume(fixed: object, moving: object, radius: int = 1) -> object:
    """Mean over channels of (F(p) - M(p + o))^2 / var(F) for every offset o of a cube.

    Each channel's variance over the grid puts channels on one scale; it takes no gradient.
    Features of the moving image are zero outside the grid.

    Parameters
    ----------
    fixed, moving
        Features (batch, *grid, C).
    radius
        Largest offset along an axis, voxels.

    Returns
    -------
    tensor
        (batch, *grid, (2 radius + 1)^N), offsets in the order of the axes.
    """
    axes = list(range(1, len(fixed.shape) - 1))
    variance = ops.var(ops.stop_gradient(fixed), axis=axes, keepdims=True)
    return _costs(fixed, moving, 1.0 / (variance + 1e-6), radius=radius)
