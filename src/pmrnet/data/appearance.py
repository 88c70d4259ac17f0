"""What makes two T1 images of like anatomy differ: contrast, bias field and noise."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from pmrnet.data.deformation import smooth_noise

# Intensities of the ICBM152 template (scaled to [0, 1]): background, fluid, grey matter, white
# matter, and the brightest voxels.
_TISSUES = (0.0, 0.40, 0.67, 0.87, 1.0)


def change_contrast(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Map intensities by a random curve that keeps their order.

    Parameters
    ----------
    image
        Intensities of the template, in [0, 1].
    rng
        Source of randomness.
    strength
        Standard deviation of the logarithm of the contrast between one tissue and the next:
        fluid, grey matter, white matter. 0 changes nothing.

    Returns
    -------
    ndarray
        float32 of the same shape; 0 stays 0.
    """
    gaps = np.diff(_TISSUES) * np.exp(strength * rng.standard_normal(len(_TISSUES) - 1))
    # Monotone between its knots, and smooth where straight pieces would leave edges.
    curve = PchipInterpolator(_TISSUES, np.concatenate([[0], np.cumsum(gaps)]))
    return curve(np.clip(image, 0, 1)).astype(np.float32)


def bias_field(
    rng: np.random.Generator, shape: tuple[int, int, int], sigma: float, strength: float
) -> np.ndarray:
    """Slowly varying factor, as a receiving coil's uneven sensitivity leaves it.

    Parameters
    ----------
    rng
        Source of randomness.
    shape
        Grid (X, Y, Z).
    sigma
        Smoothness, in voxels.
    strength
        Standard deviation of the factor's logarithm.

    Returns
    -------
    ndarray
        float32 of `shape`, around 1.
    """
    return np.exp(np.float32(strength) * smooth_noise(rng, shape, sigma))


def add_rician_noise(image: np.ndarray, rng: np.random.Generator, sigma: float) -> np.ndarray:
    """Magnitude of the image with Gaussian noise in its real and its imaginary part.

    Parameters
    ----------
    image
        Intensities.
    rng
        Source of randomness.
    sigma
        Standard deviation of the noise in either part, in units of the intensities.

    Returns
    -------
    ndarray
        float32 of the same shape, none negative.
    """
    real, imaginary = rng.standard_normal((2, *image.shape), dtype=np.float32) * np.float32(sigma)
    return np.hypot(image + real, imaginary)
