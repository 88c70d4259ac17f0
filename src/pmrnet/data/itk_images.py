"""Volumes and affine maps as SimpleITK has them."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from pmrnet.data.placement import LPS, closest_perpendicular
from pmrnet.data.volume import Volume
from pmrnet.errors import InputError


def to_sitk(volume: Volume) -> sitk.Image:
    """Convert to a SimpleITK image (its physical space is LPS).

    Raises
    ------
    InputError
        If the axes are sheared, which ITK's image geometry cannot express.
    """
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.data.T))
    lps = LPS @ volume.affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    direction = closest_perpendicular(lps)
    if direction is None:
        raise InputError(
            f"Affine alignment: expected perpendicular image axes, found {volume.affine.tolist()}; "
            "resample the sheared image first."
        )
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection(direction.ravel().tolist())
    return image


def as_ras(transform: sitk.AffineTransform) -> np.ndarray:
    """4x4 RAS matrix of a SimpleITK affine transform."""
    matrix = np.array(transform.GetMatrix()).reshape(3, 3)
    centre = np.array(transform.GetCenter())
    lps = np.eye(4)
    lps[:3, :3] = matrix
    lps[:3, 3] = np.array(transform.GetTranslation()) + centre - matrix @ centre
    return LPS @ lps @ LPS
