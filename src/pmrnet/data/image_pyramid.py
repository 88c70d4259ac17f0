"""An image at several resolutions, as the affine alignment looks at it."""

from __future__ import annotations

import copy
from threading import Lock

import numpy as np
import SimpleITK as sitk

from pmrnet.data.itk_images import to_sitk
from pmrnet.data.volume import Volume


class ImagePyramid:
    """An image and its coarse versions, each made when it is first asked for.

    ITK changes an image that it reads, so that every caller gets one of its own.

    Parameters
    ----------
    volume
        The image.
    finest
        Voxel size in mm to which the whole image is brought, too; None leaves it as it is.
    """

    def __init__(self, volume: Volume, finest: float | None = None) -> None:
        self._image = to_sitk(Volume(np.asarray(volume.data, dtype=np.float32), volume.affine))
        if finest is not None:
            self._image = _reduced(self._image, finest)
        self._coarse: dict[float, sitk.Image] = {}
        self._lock = Lock()

    def whole(self) -> sitk.Image:
        """The image itself."""
        with self._lock:
            return copy.deepcopy(self._image)

    def level(self, size: float) -> sitk.Image:
        """Voxels of about `size` mm."""
        with self._lock:
            if size not in self._coarse:
                self._coarse[size] = _coarse(self._image, size)
            return copy.deepcopy(self._coarse[size])


def _factors(image: sitk.Image, size: float) -> list[int]:
    """How many voxels along each axis make one of about `size` mm."""
    return [max(1, round(size / spacing)) for spacing in image.GetSpacing()]


def _smoothed(image: sitk.Image, widths: list[float]) -> sitk.Image:
    """Gaussian of these widths in voxels; along an axis of width 0 nothing is smoothed."""
    if not any(widths):
        return image
    # The filter needs a width above 0 along every axis.
    sigma = [s * (w or 1e-3) for s, w in zip(image.GetSpacing(), widths, strict=True)]
    return sitk.SmoothingRecursiveGaussian(image, sigma)


def _coarse(image: sitk.Image, size: float) -> sitk.Image:
    """Smooth and resample to voxels of about `size` mm, centred on the same field of view."""
    factors = _factors(image, size)
    return sitk.Shrink(_smoothed(image, [0.5 * f if f > 1 else 0 for f in factors]), factors)


def _reduced(image: sitk.Image, size: float) -> sitk.Image:
    """About as `_coarse`, for a fifth of the work: voxels are averaged first, then smoothed."""
    factors = _factors(image, size)
    return _smoothed(sitk.BinShrink(image, factors), [0.4 if f > 1 else 0 for f in factors])
