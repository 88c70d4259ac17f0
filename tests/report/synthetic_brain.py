"""Synthetic brains: ellipsoids of smooth noise."""

import numpy as np
from scipy import ndimage

SHAPE = (30, 36, 28)


def ellipsoid(shape=SHAPE, radius=0.8):
    """A brain's shape in the middle of a grid."""
    axes = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in shape)]
    return sum(a**2 for a in axes) < radius**2


def texture(seed, shape=SHAPE, sigma=2.0):
    """Smooth noise in [0.2, 1]."""
    noise = np.random.default_rng(seed).normal(size=shape)
    smooth = ndimage.gaussian_filter(noise, sigma, mode="wrap")
    return (0.2 + 0.8 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.float32)


def unrelated(brain):
    """An image of the same shape whose correlation inside it is about 0.2."""
    inside = brain > 0
    noise = np.random.default_rng(9).normal(size=brain.shape)
    return np.where(inside, 10 + 0.2 * brain / brain[inside].std() + noise, 0)
