"""Oblique, anisotropic grids of every axis order, and smooth fields on them."""

from itertools import permutations, product

import nibabel as nib
import numpy as np
from scipy import ndimage

from pmrnet.data.volume import Volume
from pmrnet.transforms import DenseTransform

FIXED, MOVING = (17, 20, 15), (19, 16, 21)

#: all 48 ways in which voxel axes can be ordered and mirrored, as 3x3 matrices
AXIS_ORDERS = [
    np.eye(3)[list(order)] * signs
    for order in permutations(range(3))
    for signs in product((1.0, -1.0), repeat=3)
]


def oblique(rng, sizes, shape, axes=None, turn=0.4, centre=3.0):
    """Affine of a turned grid of these voxel sizes with its middle near the origin."""
    rotation = nib.eulerangles.euler2mat(*rng.uniform(-turn, turn, 3))
    matrix = rotation @ (np.eye(3) if axes is None else axes) @ np.diag(sizes)
    middle = matrix @ ((np.array(shape) - 1) / 2)
    return nib.affines.from_matvec(matrix, rng.uniform(-centre, centre, 3) - middle)


def matrix_near_identity(rng, scale=0.1, shift=3.0):
    """4x4 affine with some rotation, scaling and shear."""
    matrix = np.eye(4)
    matrix[:3, :3] += rng.uniform(-scale, scale, (3, 3))
    matrix[:3, 3] = rng.uniform(-shift, shift, 3)
    return matrix


def smooth(rng, shape, sigma=3.0):
    """Smooth random values of unit size."""
    values = ndimage.gaussian_filter(rng.normal(size=shape), sigma, mode="nearest")
    return values / np.abs(values).max()


def smooth_field(rng, shape, affine, peak_mm=2.0, sigma=3.0):
    """Smooth dense transform whose components reach `peak_mm`."""
    components = [peak_mm * smooth(rng, shape, sigma) for _ in range(3)]
    return DenseTransform(np.stack(components, -1), affine)


def pair(seed):
    """Fixed and moving image on unlike oblique grids, smooth values from 0 to 1000."""
    rng = np.random.default_rng(seed)
    fixed = Volume(
        (500 + 500 * smooth(rng, FIXED)).astype(np.float32), oblique(rng, (1.5, 1, 2), FIXED)
    )
    moving = Volume(
        (500 + 500 * smooth(rng, MOVING)).astype(np.float32), oblique(rng, (1.2, 1.8, 1), MOVING)
    )
    return rng, fixed, moving


def centres(shape, affine):
    """RAS mm of all voxel centres, (X, Y, Z, 3)."""
    return nib.affines.apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))
