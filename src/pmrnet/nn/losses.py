"""The terms of equation 6: reconstruction and closed-form KL to the smoothness prior.

The prior of a velocity field is p(z) = N(0, Lambda^-1) with precision Lambda = lambda L, where
L = D - A is the graph Laplacian of the voxel grid: D holds each voxel's number of neighbours (6
inside a volume, fewer at its border), A the adjacency. With posterior N(mu, diag(exp(s))), s the
log-variance,

    KL = 1/2 [ tr(lambda D exp(s)) - sum s + mu' Lambda mu ] + const,
    mu' Lambda mu = lambda * sum over neighbouring pairs (mu_i - mu_j)^2.

Two weightings are offered, both per voxel of the term's own grid. `exact` divides the terms of that
ELBO by the number of voxels; where the two grids differ, `Objective` weighs them.
`voxelmorph` is what VoxelMorph implements since October 2018 and what the paper built on: against
`exact` its reconstruction is twice, its smoothness (N = 3) a sixth.
"""

from __future__ import annotations

from keras import ops

from pmrnet.spatial.backend import island

WEIGHTINGS = ("voxelmorph", "exact")

#: Log-variance, of a standard deviation of 20 voxels, above which the KL goes on as a straight line
#: and samples get no wider: images unlike all before can drive single voxels to exp(40), and their
#: gradient would be all that is left of a step.
LARGEST_LOG_VARIANCE = 6.0


def check_weighting(weighting: str) -> None:
    """Refuse what is none of `WEIGHTINGS`, by a ValueError."""
    if weighting not in WEIGHTINGS:
        raise ValueError(f"weighting must be one of {WEIGHTINGS}; got {weighting!r}.")


def reconstruction(
    fixed: object, moved: object, sigma: float, weighting: str = "voxelmorph"
) -> object:
    """Gaussian negative log-likelihood of the fixed image (first term of equation 6).

    Parameters
    ----------
    fixed, moved
        (batch, *grid, C).
    sigma
        Standard deviation of the noise, in units of the values.
    weighting
        `voxelmorph`: mean((y - x o phi)^2) / sigma^2; `exact`: half of it.

    Returns
    -------
    tensor
        Scalar, averaged over voxels, channels and batch.
    """
    check_weighting(weighting)
    return mean_square(fixed, moved) * ((1.0 if weighting == "voxelmorph" else 0.5) / sigma**2)


@island
def mean_square(a: object, b: object) -> object:
    """Mean of (a - b)^2 over all axes."""
    return ops.mean(ops.square(a - b))


@island
def relative_mean_square(fixed: object, moved: object) -> object:
    """Mean over channels of mean((fixed - moved)^2) / var(fixed), for feature maps.

    Feature maps have no scale of their own: a plain mean square can be lowered without any
    alignment by shrinking the features. Dividing by each channel's variance removes that way out,
    since the quotient does not change when the features are scaled.
    """
    axes = list(range(len(fixed.shape) - 1))
    centred = fixed - ops.mean(fixed, axis=axes, keepdims=True)
    variance = ops.mean(ops.square(centred), axis=axes)
    error = ops.mean(ops.square(fixed - moved), axis=axes)
    return ops.mean(error / (variance + 1e-6))


@island
def _neighbour_square(mean: object) -> object:
    """Per grid axis, mean over voxels and channels of squared forward differences, stacked.

    0 along an axis of one voxel, which has no differences.
    """
    parts = []
    for axis in range(1, len(mean.shape) - 1):
        if mean.shape[axis] == 1:
            parts.append(ops.zeros((), mean.dtype))
            continue
        upper = [slice(None)] * len(mean.shape)
        lower = list(upper)
        upper[axis], lower[axis] = slice(1, None), slice(None, -1)
        parts.append(ops.mean(ops.square(mean[tuple(upper)] - mean[tuple(lower)])))
    return ops.stack(parts)


def mean_square_gradient(field: object) -> object:
    """Mean over axes, voxels and components of squared forward differences; (batch, *grid, C)."""
    return ops.mean(_neighbour_square(field))


def neighbour_count(grid: tuple[int, ...], dtype: str = "float32") -> object:
    """Degree D of every voxel in the grid graph: (1, *grid, 1); 6 inside a volume."""
    axes = len(grid)
    total = 0.0
    for axis, size in enumerate(grid):
        index = ops.arange(size)
        degree = ops.cast(index > 0, dtype) + ops.cast(index < size - 1, dtype)
        along = [1] * (axes + 2)
        along[axis + 1] = size
        total = total + ops.reshape(degree, along)
    return total


@island
def _variance_terms(log_variance: object, prior_lambda: float) -> object:
    degree = neighbour_count(tuple(log_variance.shape[1:-1]), log_variance.dtype)
    within = ops.minimum(log_variance, LARGEST_LOG_VARIANCE)
    variance = ops.exp(within) * (1.0 + (log_variance - within))  # exp and, above, its tangent
    return ops.mean(prior_lambda * degree * variance - log_variance)


def kl_to_prior(
    mean: object, log_variance: object, prior_lambda: float, weighting: str = "voxelmorph"
) -> object:
    """KL(q(z) || p(z)) up to a constant, per voxel (second term of equation 6).

    Parameters
    ----------
    mean, log_variance
        (batch, *grid, N); velocity in voxels and the log of its variance.
    prior_lambda
        Scale lambda of the prior's precision.
    weighting
        See the module's text.

    Returns
    -------
    tensor
        Scalar, averaged over the batch.
    """
    check_weighting(weighting)
    axes = mean.shape[-1]
    if weighting == "voxelmorph":
        smoothness = 0.5 * mean_square_gradient(mean)
    else:
        differences = _neighbour_square(mean)
        # Mean over pairs -> sum over pairs per voxel: (n - 1) / n pairs a voxel along each axis.
        pairs = [(n - 1) / n for n in mean.shape[1:-1]]
        smoothness = ops.sum(differences * ops.convert_to_tensor(pairs, dtype=mean.dtype))
    variance = _variance_terms(log_variance, prior_lambda=float(prior_lambda))
    return 0.5 * axes * (variance + prior_lambda * smoothness)
