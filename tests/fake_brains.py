"""The ICBM152 brain as images of any geometry."""

import nibabel as nib
import numpy as np
from scipy import ndimage

from pmrnet.data.template import icbm152_labels, icbm152_volume, network_grid


def template_brain(affine, shape, distort=None):
    """The ICBM152 brain on a grid of any axes; `distort` maps RAS mm (3, n) to RAS mm before."""
    template = icbm152_volume()
    points = nib.affines.apply_affine(affine, np.indices(shape).reshape(3, -1).T)
    if distort is not None:
        points = distort(points)
    index = nib.affines.apply_affine(np.linalg.inv(template.affine), points).T
    values = ndimage.map_coordinates(template.data, index, order=1, cval=0)
    return nib.Nifti1Image((1000 * values).reshape(shape).astype(np.int16), affine)


def template_labels(affine, shape):
    """Labels of the ICBM152 brain on a grid, nearest neighbour."""
    grid = network_grid(1)
    labels = icbm152_labels(grid)
    points = nib.affines.apply_affine(affine, np.indices(shape).reshape(3, -1).T)
    index = np.rint(nib.affines.apply_affine(np.linalg.inv(grid.affine), points)).astype(int).T
    inside = ((index >= 0) & (index < np.array(grid.shape)[:, None])).all(axis=0)
    values = np.where(
        inside, labels[tuple(np.clip(index, 0, np.array(grid.shape)[:, None] - 1))], 0
    )
    return nib.Nifti1Image(values.reshape(shape).astype(np.int16), affine)
