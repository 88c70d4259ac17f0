"""Multilinear interpolation on a displaced grid, and its two adjoints.

For values f on a grid and a displacement u in voxels, the warped values are

    (f o (Id + u))(p) = sum over the 2^N corners c of the cell of p + u(p):  w_c(p) f(c),

with p + u(p) clipped to the grid (edge replication), as VoxelMorph does. All functions here are
plain formulas on tensors of shape (batch, *grid, channels), for any number N of grid axes; the
differentiable operations built on them are in `warping.py` and `integration.py`.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

from keras import ops


class Cells(NamedTuple):
    """Where each displaced point falls: tensors of shape (batch, *grid) and static geometry."""

    base: object  # flat index of the lower corner, batch offset included
    fractions: list  # per axis, position within the cell, 0 to 1
    inside: list  # per axis, 1 where the point was not clipped, else 0
    strides: tuple[int, ...]  # per axis, flat index distance to the upper corner (0 on axes of 1)


def displaced_cells(displacement: object, grid: tuple[int, ...]) -> Cells:
    """Find the cell of every displaced point p + u(p), clipped to a grid.

    Parameters
    ----------
    displacement
        (batch, *out_grid, N), voxels of `grid`; p runs over `out_grid`.
    grid
        Shape of the grid that is sampled, N axes.
    """
    batch, *out_grid = displacement.shape[:-1]
    axes = len(grid)
    base, fractions, inside, strides = 0, [], [], []
    for axis, size in enumerate(grid):
        along = [1] * (axes + 1)
        along[axis + 1] = out_grid[axis]
        location = displacement[..., axis] + ops.reshape(
            ops.arange(out_grid[axis], dtype="float32"), along
        )
        clipped = ops.clip(location, 0.0, float(size - 1))
        lower = ops.minimum(ops.floor(clipped), float(max(size - 2, 0)))
        stride = math.prod(grid[axis + 1 :])
        base = base + ops.cast(lower, "int32") * stride
        fractions.append(clipped - lower)
        inside.append(ops.cast(ops.equal(location, clipped), displacement.dtype))
        strides.append(stride if size > 1 else 0)
    if batch is None or batch > 1:
        count = ops.shape(displacement)[0]
        base = base + ops.reshape(
            ops.arange(count, dtype="int32") * math.prod(grid), [-1] + [1] * axes
        )
    return Cells(base, fractions, inside, tuple(strides))


def _corner(cells: Cells, upper: tuple[int, ...]) -> object:
    return cells.base + sum(stride for stride, up in zip(cells.strides, upper, strict=True) if up)


def interpolate(values: object, displacement: object) -> object:
    """Sample `values` (batch, *grid, C) at p + u(p); returns (batch, *out_grid, C)."""
    grid = tuple(values.shape[1:-1])
    channels = values.shape[-1]
    cells = displaced_cells(displacement, grid)
    # One channel is gathered as scalars: rows of one element are markedly slower under XLA.
    flat = ops.reshape(values, [-1] if channels == 1 else [-1, channels])
    expand = (lambda x: x) if channels == 1 else (lambda x: x[..., None])
    corners = {
        upper: ops.take(flat, _corner(cells, upper), axis=0)
        for upper in itertools.product((0, 1), repeat=len(grid))
    }
    result = _lerp_all(corners, [expand(fraction) for fraction in cells.fractions])
    return result[..., None] if channels == 1 else result


def _lerp_all(corners: dict, fractions: list) -> object:
    """Reduce 2^n corner values to one, last axis first."""
    for axis in reversed(range(len(fractions))):
        corners = {
            upper: corners[(*upper, 0)]
            + fractions[axis] * (corners[(*upper, 1)] - corners[(*upper, 0)])
            for upper in itertools.product((0, 1), repeat=axis)
        }
    return corners[()]


def slope_along(values: object, displacement: object, cotangent: object, axis: int) -> object:
    """Gradient with respect to component `axis` of u, contracted over the channels.

    The derivative along an axis is the interpolation, over the other axes, of the difference
    between upper and lower corner; differences are taken before gathering, which halves the
    gathers. Zero where the point was clipped. Returns (batch, *out_grid).
    """
    grid = tuple(values.shape[1:-1])
    channels = values.shape[-1]
    cells = displaced_cells(displacement, grid)
    others = [a for a in range(len(grid)) if a != axis]
    difference = _forward_difference(values, axis + 1)
    flat = ops.reshape(difference, [-1] if channels == 1 else [-1, channels])
    expand = (lambda x: x) if channels == 1 else (lambda x: x[..., None])
    corners = {}
    for upper in itertools.product((0, 1), repeat=len(others)):
        full = [0] * len(grid)
        for other, up in zip(others, upper, strict=True):
            full[other] = up
        corners[upper] = ops.take(flat, _corner(cells, tuple(full)), axis=0)
    slope = _lerp_all(corners, [expand(cells.fractions[a]) for a in others])
    weighted = slope * cotangent[..., 0] if channels == 1 else slope * cotangent
    summed = weighted if channels == 1 else ops.sum(weighted, axis=-1)
    return summed * cells.inside[axis]


def _forward_difference(values: object, axis: int) -> object:
    """values[i + 1] - values[i] along an axis, zero at its end; same shape."""
    size = values.shape[axis]
    if size == 1:
        return ops.zeros_like(values)
    upper = [slice(None)] * len(values.shape)
    lower = list(upper)
    upper[axis], lower[axis] = slice(1, size), slice(0, size - 1)
    padding = [[0, 0]] * len(values.shape)
    padding[axis] = [0, 1]
    return ops.pad(values[tuple(upper)] - values[tuple(lower)], padding)


def scatter_to_corner(
    cotangent: object, displacement: object, upper: object, grid: tuple[int, ...]
) -> object:
    """One corner's part of the gradient with respect to the sampled values, by scattering.

    The whole gradient, exact for any displacement, is the sum over the 2^N corners. Which corner
    is a tensor, so that one compiled program serves for all of them.

    Parameters
    ----------
    cotangent
        (batch, *out_grid, C), gradient with respect to the warped values.
    displacement
        (batch, *out_grid, N), voxels.
    upper
        (N,), per axis 1 for the upper corner of the cell, 0 for the lower; float32.
    grid
        Shape of the grid that was sampled.

    Returns
    -------
    tensor
        (batch, *grid, C).
    """
    channels = cotangent.shape[-1]
    cells = displaced_cells(displacement, grid)
    batch = ops.shape(cotangent)[0] if cotangent.shape[0] is None else cotangent.shape[0]
    weight, corner = 1.0, cells.base
    for axis, (fraction, stride) in enumerate(zip(cells.fractions, cells.strides, strict=True)):
        up = upper[axis]
        weight = weight * (up * fraction + (1.0 - up) * (1.0 - fraction))
        corner = corner + ops.cast(up, "int32") * stride
    index = ops.reshape(corner, [-1, 1])
    rows = ops.reshape(weight[..., None] * cotangent, [-1, channels])
    total = ops.scatter(index, rows, (batch * math.prod(grid), channels))
    return ops.reshape(total, (batch, *grid, channels))


def adjoint_values_within_one_voxel(cotangent: object, displacement: object) -> object:
    """Gradient with respect to the sampled values where every |u| is at most one voxel.

    Then all points that touch a voxel are among its 3^N neighbours, and the scatter becomes a
    gather with static shifts: the sum over offsets o of w_o(q) cotangent(q), q = p - o, where the
    weight per axis is max(0, 1 - |u(q) - o|). Exact, and several times faster than a scatter on a
    CPU. Input and output grid must be the same.
    """
    grid = tuple(cotangent.shape[1:-1])
    axes = len(grid)
    # Clipping at the border is part of the displacement: with it no weight leaves the grid.
    components = []
    for axis, size in enumerate(grid):
        along = [1] * (axes + 1)
        along[axis + 1] = size
        position = ops.reshape(ops.arange(size, dtype="float32"), along)
        components.append(
            ops.clip(displacement[..., axis] + position, 0.0, float(size - 1)) - position
        )
    border = [[0, 0]] + [[1, 1]] * axes
    u = ops.pad(ops.stack(components, axis=-1), [*border, [0, 0]])
    g = ops.pad(cotangent, [*border, [0, 0]])
    result = 0.0
    for offset in itertools.product((-1, 0, 1), repeat=axes):
        shifted = (slice(1 - o, 1 - o + n) for o, n in zip(offset, grid, strict=True))
        window = (slice(None), *shifted)
        weight = 1.0
        for axis, o in enumerate(offset):
            weight = weight * ops.relu(1.0 - ops.abs(u[(*window, axis)] - float(o)))
        result = result + weight[..., None] * g[window]
    return result
