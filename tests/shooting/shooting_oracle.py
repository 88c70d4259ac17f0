"""Geodesic shooting in float64 by SciPy and direct sums: no code in common with the package."""

import itertools

import numpy as np
from scipy import ndimage


def blob(grid, centre, width):
    """A Gaussian bump of height 1, float32, (*grid)."""
    offsets = [i - c for i, c in zip(np.indices(grid), centre, strict=True)]
    return np.exp(-0.5 * sum(o**2 for o in offsets) / width**2).astype(np.float32)


def smooth(field, sigmas, weights):
    """Sum of Gaussians of a scalar field by SciPy, zero beyond the border."""
    return sum(
        w * ndimage.gaussian_filter(field, s, mode="constant", truncate=9.0)
        for s, w in zip(sigmas, weights, strict=True)
    )


def difference(field, axis):
    """Central difference, nearest value beyond the border."""
    return ndimage.correlate1d(field, [-0.5, 0.0, 0.5], axis=axis, mode="nearest")


def determinant(displacement):
    """Of the derivative of p + u(p); displacement (N, *grid)."""
    axes = len(displacement)
    jacobian = np.empty((*displacement.shape[1:], axes, axes))
    for i, j in itertools.product(range(axes), repeat=2):
        jacobian[..., i, j] = difference(displacement[i], j) + (i == j)
    return np.linalg.det(jacobian)


def sample(field, displacement):
    """A scalar field at p + u(p), linear, nearest value beyond the border."""
    locations = np.indices(field.shape) + displacement
    return ndimage.map_coordinates(field, locations, order=1, mode="nearest")


def velocity(image, momentum, sigmas, weights, spacing):
    """v = -K * (P grad I) in mm per unit time, (N, *grid); sigmas in voxels."""
    slopes = (difference(image, axis) / spacing for axis in range(image.ndim))
    return np.stack([smooth(-momentum * slope, sigmas, weights) for slope in slopes])


def shoot(image, momentum, sigmas, weights, spacing, steps):
    """Displacement (N, *grid) in voxels of the inverse flow at time 1."""
    u = np.zeros((image.ndim, *image.shape))
    for _ in range(steps):
        carried = sample(image, u), determinant(u) * sample(momentum, u)
        back = velocity(*carried, sigmas, weights, spacing) * (-1.0 / (steps * spacing))
        u = back + np.stack([sample(component, back) for component in u])
    return u


def energy(momentum, moving, fixed, sigmas, weights, spacing, norm_weight, steps):
    """Half the weighted squared norm and half the squared difference, means over the voxels."""
    v = velocity(moving, momentum, sigmas, weights, spacing)
    slopes = np.stack([difference(moving, axis) / spacing for axis in range(moving.ndim)])
    norm = (-momentum * slopes * v).sum(axis=0).mean()
    u = shoot(moving, momentum, sigmas, weights, spacing, steps)
    return 0.5 * (norm_weight * norm + ((sample(moving, u) - fixed) ** 2).mean())
