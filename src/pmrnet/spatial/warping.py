"""Warping of images and feature maps by a dense displacement, differentiable in both."""

from __future__ import annotations

from keras import ops

from pmrnet.spatial import interpolation
from pmrnet.spatial.adjoint import displacement_gradient, values_gradient
from pmrnet.spatial.backend import island

_interpolate = island(interpolation.interpolate)


def warp(values: object, displacement: object, *, differentiate_values: bool = True) -> object:
    """Move values by a displacement: result(p) = values(p + u(p)), multilinear.

    Points outside the grid take the value at its edge, as in VoxelMorph's SpatialTransformer.

    Parameters
    ----------
    values
        (batch, *grid, C); N grid axes, 2 or 3.
    displacement
        (batch, *out_grid, N), in voxels of `grid`, components in the order of the axes.
    differentiate_values
        False treats `values` as a constant (an input image), which saves a scatter in training.

    Returns
    -------
    tensor
        (batch, *out_grid, C).

    Raises
    ------
    ValueError
        If ranks or the number of components do not match.
    """
    _check(values, displacement)
    grid = tuple(values.shape[1:-1])

    @ops.custom_gradient
    def apply(values: object, displacement: object) -> object:
        def gradient(*args: object, upstream: object = None) -> tuple:
            cotangent = args[0] if upstream is None else upstream
            if differentiate_values:
                to_values = values_gradient(cotangent, displacement, grid)
            else:
                to_values = ops.zeros_like(values)
            return to_values, displacement_gradient(values, displacement, cotangent)

        return _interpolate(values, displacement), gradient

    return apply(values, displacement)


def _check(values: object, displacement: object) -> None:
    axes = len(values.shape) - 2
    if len(displacement.shape) != axes + 2 or displacement.shape[-1] != axes:
        raise ValueError(
            f"warp needs values (batch, *grid, channels) and a displacement (batch, *grid, N) with "
            f"one component per grid axis; got {tuple(values.shape)} and "
            f"{tuple(displacement.shape)}."
        )
