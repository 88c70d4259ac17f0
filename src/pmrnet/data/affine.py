"""Affine alignment of two skull-stripped brains."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from pmrnet.data.image_pyramid import ImagePyramid
from pmrnet.data.itk_images import as_ras, to_sitk
from pmrnet.data.volume import Volume, check_affine
from pmrnet.errors import InputError

#: voxels of an axis below which nothing can be aligned along it
_THINNEST = 4


@dataclass(frozen=True)
class AffineSettings:
    """Settings of `estimate_affine`.

    Parameters
    ----------
    metric
        ``"mattes"`` (mutual information) or ``"correlation"``.
    levels
        Voxel sizes in mm, coarse to fine; each is smoothed accordingly.
    sampling
        Fraction of the voxels of each level that the metric looks at.
    dilation
        Margin in mm around the moving brain within which the images are compared.
    iterations
        Upper limit of optimiser steps at each level.
    relaxation
        What the optimiser's step is multiplied by when the gradient turns.
    bins
        Histogram bins of the mutual information.
    seed
        Seed of the voxel sampling.
    """

    metric: str = "mattes"
    levels: tuple[float, ...] = (8.0, 4.0, 2.0)
    sampling: float = 0.1
    dilation: float = 6.0
    iterations: int = 300
    relaxation: float = 0.8
    bins: int = 32
    seed: int = 1


class _Repeatable:
    """Keeps SimpleITK to one thread, and quiet, while one alignment or more are under way.

    With more, the order of summation and with it the last bits vary. The method's own setting does
    not reach all of its parts, the global one does; so the last alignment puts it back.
    """

    def __init__(self) -> None:
        self._lock, self._users = Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
                self._warnings = sitk.ProcessObject.GetGlobalWarningDisplay()
                sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
                sitk.ProcessObject.SetGlobalWarningDisplay(False)
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(self._threads)
                sitk.ProcessObject.SetGlobalWarningDisplay(self._warnings)


_repeatable = _Repeatable()


#: of the fixed image, which is the template mostly
_kept = lru_cache(maxsize=1)(ImagePyramid)
_keeping = Lock()


def _register(
    reference: ImagePyramid,
    other: ImagePyramid,
    mask: sitk.Image,
    start: sitk.AffineTransform,
    size: float,
    smallest_step: float,
    settings: AffineSettings,
) -> tuple[sitk.AffineTransform, float]:
    """One level: the improved reference-to-other transform and its metric (lower is better)."""
    method = sitk.ImageRegistrationMethod()
    if settings.metric == "mattes":
        method.SetMetricAsMattesMutualInformation(settings.bins)
    else:
        method.SetMetricAsCorrelation()
    # At the coarsest level there are few voxels: use them all.
    if settings.sampling < 1 and size < settings.levels[0]:
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(settings.sampling, settings.seed)
    method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=size / 4,
        minStep=size * smallest_step,
        numberOfIterations=settings.iterations,
        relaxationFactor=settings.relaxation,
        gradientMagnitudeTolerance=1e-8,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    transform = sitk.AffineTransform(start)
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(reference.level(size), other.level(size))
    return transform, method.GetMetricValue()


def _starts(reference: sitk.Image, other: sitk.Image) -> list[sitk.AffineTransform]:
    """Start from translations that match the centres of mass, or the middles of the grids."""
    starts = []
    for mode in (
        sitk.CenteredTransformInitializerFilter.MOMENTS,
        sitk.CenteredTransformInitializerFilter.GEOMETRY,
    ):
        begin = sitk.CenteredTransformInitializer(reference, other, sitk.AffineTransform(3), mode)
        starts.append(sitk.AffineTransform(begin))
    return starts


def _align(
    moving: Volume, fixed: Volume, settings: AffineSettings, quick: bool
) -> sitk.AffineTransform:
    """Run the pyramid; the transform takes LPS points of the moving space to the fixed one."""
    finest = settings.levels[-1] if quick else None
    # In voxels of the level.
    smallest = 1 / (1000 if quick else 4000)
    # ITK's own "fixed" image is where the metric samples: that is our moving image.
    reference = ImagePyramid(moving, finest)
    with _keeping:  # of two at once the second takes what the first makes
        other = _kept(fixed, finest)
    if quick:
        moving = _every_nth(moving, settings.levels[-1])
    mask = to_sitk(Volume(_dilated(moving, settings.dilation), moving.affine))

    candidates, failure = [], RuntimeError("no start")
    for start in _starts(reference.whole(), other.whole()):
        try:
            candidates.append(
                _register(reference, other, mask, start, settings.levels[0], smallest, settings)
            )
        except RuntimeError as error:  # one start may well lie outside the other image
            failure = error
    if not candidates:
        raise failure
    transform = min(candidates, key=lambda c: c[1])[0]
    for size in settings.levels[1:]:
        transform, _ = _register(reference, other, mask, transform, size, smallest, settings)
    return transform


def _every_nth(volume: Volume, size: float) -> Volume:
    """The voxels on a grid of about `size` mm among the volume's own."""
    factor = np.maximum(1, np.rint(size / volume.spacing)).astype(int)
    affine = volume.affine @ np.diag([*factor, 1.0])
    return Volume(volume.data[tuple(slice(None, None, f) for f in factor)], affine)


def _dilated(volume: Volume, margin: float) -> np.ndarray:
    """Where the volume is not 0, and `margin` mm around: uint8."""
    brain = volume.data != 0
    room = np.ceil(margin / volume.spacing).astype(int) + 1
    box = tuple(
        slice(max(0, at.min() - more), at.max() + more + 1)
        for at, more in zip(np.nonzero(brain), room, strict=True)
    )
    result = np.zeros(brain.shape, np.uint8)
    distance = ndimage.distance_transform_edt(~brain[box], sampling=volume.spacing)
    result[box] = distance <= margin
    return result


def estimate_affine(
    moving: Volume,
    fixed: Volume,
    settings: AffineSettings | None = None,
    *,
    quick: bool = False,
) -> np.ndarray:
    """Estimate the 12-parameter affine alignment of two skull-stripped brains.

    The images are compared where the *moving* brain is (its non-zero voxels and a margin), so
    parts that only the fixed brain has, such as a cerebellum, do not pull. With one thread and a
    fixed seed the result is the same bit by bit every time.

    Parameters
    ----------
    moving, fixed
        Brains with zero background.
    settings
        Metric, pyramid and optimiser; the defaults if None.
    quick
        Average both images to the voxels of the finest level before anything else, and take steps
        of a thousandth of a voxel for the end: a third of the time, and on images of 1 mm nothing
        lost. The result is another one, though, so the protocols of the tables, whose affines are
        settled, do without.

    Returns
    -------
    ndarray
        4x4 float64 matrix taking RAS+ mm of the fixed space to RAS+ mm of the moving space, the
        direction in which the moving image is resampled.

    Raises
    ------
    InputError
        If a brain is empty or a few slices thick, an image is sheared, or no alignment is found.
    """
    settings = settings or AffineSettings()
    for name, volume in (("moving", moving), ("fixed", fixed)):
        check_affine(volume.affine, f"{name} image")
        if not volume.data.any():
            raise InputError(f"Affine alignment: expected a brain, found only zeros ({name}).")
        if min(volume.shape) < _THINNEST:
            raise InputError(
                f"Affine alignment: expected {_THINNEST} voxels or more along each axis, found "
                f"{' x '.join(map(str, volume.shape))} ({name}); give a volume, not single slices."
            )
    try:
        with _repeatable:
            transform = _align(moving, fixed, settings, quick)
    except RuntimeError as error:
        raise InputError(
            "Affine alignment: expected two overlapping brains, found none "
            f"({str(error).strip().splitlines()[-1].strip()}); check that both are skull-stripped "
            "and in the same orientation."
        ) from error
    return np.linalg.inv(as_ras(transform))
