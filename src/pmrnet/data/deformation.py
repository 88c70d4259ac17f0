"""Random smooth diffeomorphisms in NumPy, for the built-in subjects.

Fields are periodic: what leaves the grid on one side comes in on the other. So the flow of a
velocity field has no border at which it would have to be bent, and exp(v) and exp(-v) undo each
other everywhere. Fields have the shape (X, Y, Z, 3), in voxels of their own grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import fft, ndimage


def smooth_noise(rng: np.random.Generator, shape: Sequence[int], sigma: float) -> np.ndarray:
    """Gaussian noise smoothed by a Gaussian of `sigma` voxels, of mean 0 and deviation 1.

    Parameters
    ----------
    rng
        Source of the noise.
    shape
        Shape of the periodic grid.
    sigma
        Standard deviation of the smoothing, in voxels; below the grid's size, since of wider
        structures a periodic grid holds nothing but rounding.

    Returns
    -------
    ndarray
        float32 of `shape`.
    """
    spectrum = fft.rfftn(rng.standard_normal(shape, dtype=np.float32))
    # The Gaussian in the Fourier domain: on a periodic grid exact, and as fast for any width.
    for axis, size in enumerate(shape):
        frequency = (fft.rfftfreq if axis == len(shape) - 1 else fft.fftfreq)(size)
        factor = np.exp(-2 * (np.pi * sigma * frequency) ** 2).astype(np.float32)
        spectrum *= factor.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    smooth = fft.irfftn(spectrum, shape)
    smooth -= smooth.mean()
    return smooth / smooth.std()


def random_velocity(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    scales: Sequence[float],
    amplitudes: Sequence[float],
) -> np.ndarray:
    """Stationary velocity field that is a sum of smooth noises of several scales.

    Parameters
    ----------
    rng
        Source of the noise.
    shape
        Grid (X, Y, Z).
    scales
        Standard deviation of each scale's smoothing, in voxels.
    amplitudes
        Standard deviation of each scale's velocity along each axis, in voxels.

    Returns
    -------
    ndarray
        float32 of shape (X, Y, Z, 3).
    """
    velocity = np.zeros((*shape, 3), np.float32)
    for axis in range(3):
        for sigma, amplitude in zip(scales, amplitudes, strict=True):
            velocity[..., axis] += np.float32(amplitude) * smooth_noise(rng, shape, sigma)
    return velocity


def exponential(velocity: np.ndarray, steps: int = 7) -> np.ndarray:
    """Displacement of the flow of a velocity field over unit time, by scaling and squaring.

    Parameters
    ----------
    velocity
        Field of shape (X, Y, Z, 3).
    steps
        Number of squarings.

    Returns
    -------
    ndarray
        Displacement of the same shape; that of ``-velocity`` is its inverse.

    Notes
    -----
    Arsigny et al., A Log-Euclidean Framework for Statistics on Diffeomorphisms, MICCAI 2006.
    """
    displacement = velocity / np.float32(2**steps)
    for _ in range(steps):
        displacement = compose(displacement, displacement)
    return displacement


def compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Displacement of (Id + outer) o (Id + inner), the map that applies `inner` first.

    Parameters
    ----------
    outer, inner
        Displacements of shape (X, Y, Z, 3), in voxels.

    Returns
    -------
    ndarray
        ``inner(p) + outer(p + inner(p))``, `outer` interpolated linearly.
    """
    at = points(inner)
    result = np.empty_like(inner)
    for axis in range(3):
        # One contiguous component at a time: interpolation is several times faster on it.
        component = np.ascontiguousarray(outer[..., axis])
        moved = ndimage.map_coordinates(component, at, order=1, mode="grid-wrap", prefilter=False)
        np.add(inner[..., axis], moved, out=result[..., axis])
    return result


def points(displacement: np.ndarray) -> list[np.ndarray]:
    """Where each voxel goes: the coordinates ``p + displacement(p)``, three arrays (X, Y, Z)."""
    return [
        np.arange(size, dtype=np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        + displacement[..., axis]
        for axis, size in enumerate(displacement.shape[:3])
    ]
