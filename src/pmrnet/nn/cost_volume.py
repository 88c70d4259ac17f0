"""How well features match at each of the small displacements around a voxel."""

from __future__ import annotations

import itertools

from keras import ops

from pmrnet.spatial.backend import island


def _windows(x: object, radius: int, grid: tuple[int, ...]) -> list:
    """x(p + o) for every offset o of the cube, zero outside the grid; (batch, *grid, C) each."""
    border = [[0, 0], *([[radius, radius]] * len(grid)), [0, 0]]
    padded = ops.pad(x, border)
    windows = []
    for offset in itertools.product(range(2 * radius + 1), repeat=len(grid)):
        place = tuple(slice(o, o + n) for o, n in zip(offset, grid, strict=True))
        windows.append(padded[(slice(None), *place)])
    return windows


@island
def _costs(fixed: object, moving: object, scale: object, radius: int) -> object:
    # A loop over the offsets: written out, each would be compiled, at a second for every size.
    axes = len(fixed.shape) - 2
    padded = ops.pad(moving, [[0, 0], *([[radius, radius]] * axes), [0, 0]])
    cube = list(itertools.product(range(2 * radius + 1), repeat=axes))
    starts = ops.convert_to_tensor([(0, *offset, 0) for offset in cube], dtype="int32")

    def cost(start: object) -> object:
        shifted = ops.slice(padded, start, ops.shape(fixed))
        return ops.mean(ops.square(fixed - shifted) * scale, axis=-1)

    return ops.moveaxis(ops.map(cost, starts), 0, -1)


@island
def _to_fixed(cotangent: object, fixed: object, moving: object, radius: int) -> object:
    """Sum over offsets of g_o(p) (F(p) - M(p + o))."""
    shifted = _windows(moving, radius, tuple(fixed.shape[1:-1]))
    return sum(cotangent[..., i : i + 1] * (fixed - m) for i, m in enumerate(shifted))


@island
def _to_moving(cotangent: object, fixed: object, moving: object, radius: int) -> object:
    """Sum over offsets of g_o(q) (M(p) - F(q)), q = p - o: a gather with the offsets reversed."""
    grid = tuple(fixed.shape[1:-1])
    shifted = _windows(ops.concatenate([fixed, cotangent], axis=-1), radius, grid)
    channels = fixed.shape[-1]
    total = 0.0
    for i, both in enumerate(reversed(shifted)):
        weight = both[..., channels + i : channels + i + 1]
        total = total + weight * (moving - both[..., :channels])
    return total


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
    scale = 1.0 / (variance + 1e-6)

    @ops.custom_gradient
    def costs(fixed: object, moving: object) -> object:
        def gradient(*args: object, upstream: object = None) -> tuple:
            cotangent = args[0] if upstream is None else upstream
            weight = 2.0 * scale / fixed.shape[-1]
            return tuple(
                weight * part(cotangent, fixed, moving, radius=radius)
                for part in (_to_fixed, _to_moving)
            )

        # TensorFlow must not try to differentiate the loop, whose gradient is the one above.
        constant = (ops.stop_gradient(x) for x in (fixed, moving, scale))
        return _costs(*constant, radius=radius), gradient

    return costs(fixed, moving)
