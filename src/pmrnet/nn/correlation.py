"""Squared local correlation of two images (Avants et al. 2008), VoxelMorph's `NCC`."""

from __future__ import annotations

from keras import ops

from pmrnet.spatial.backend import island


def check_window(window: object) -> None:
    """Refuse an edge of the window that has no voxel in its middle, by a ValueError."""
    if not isinstance(window, int) or window < 1 or window % 2 == 0:
        raise ValueError(f"window must be an odd number of voxels; got {window!r}.")


def _window_sum(x: object, window: int) -> object:
    """Sum over a cube around every voxel, zero outside the grid; one axis after the other."""
    half = window // 2
    for axis in range(1, len(x.shape) - 1):
        size = x.shape[axis]
        padding = [[0, 0]] * len(x.shape)
        padding[axis] = [half, half]
        padded = ops.pad(x, padding)
        total = 0.0
        for start in range(window):
            shifted = [slice(None)] * len(x.shape)
            shifted[axis] = slice(start, start + size)
            total = total + padded[tuple(shifted)]
        x = total
    return x


_sums = island(_window_sum)


def window_sum(x: object, window: int) -> object:
    """Sum of x (batch, *grid, C) over the cube of `window` voxels around every voxel.

    Zero padded, so that it is its own adjoint: the gradient is another window sum.
    """

    @ops.custom_gradient
    def apply(x: object) -> object:
        def gradient(*args: object, upstream: object = None) -> object:
            return _sums(args[0] if upstream is None else upstream, window=window)

        return _sums(x, window=window), gradient

    return apply(x)


@island
def _products(a: object, b: object) -> object:
    return ops.concatenate([a, b, a * a, b * b, a * b], axis=-1)


@island
def _mean_of_squares(sums: object, count: float) -> object:
    a, b, aa, bb, ab = ops.split(sums / count, 5, axis=-1)
    covariance = ab - a * b
    # Windows without contrast, as outside the brain, count as uncorrelated.
    variances = ops.relu(aa - a * a) * ops.relu(bb - b * b)
    return ops.mean(ops.square(covariance) / (variances + 1e-8))


def local_correlation(fixed: object, moved: object, window: int = 9) -> object:
    """Mean over voxels of the squared correlation within a cube around each; 0 to 1.

    Parameters
    ----------
    fixed, moved
        (batch, *grid, 1), intensities in [0, 1].
    window
        Voxels along the cube's edge, odd.

    Returns
    -------
    tensor
        Scalar.
    """
    check_window(window)
    sums = window_sum(_products(fixed, moved), window)
    return _mean_of_squares(sums, count=float(window ** (len(fixed.shape) - 2)))
