"""Jacobian determinant of a displacement as a tensor, and the penalty on folding."""

from __future__ import annotations

from keras import ops

from pmrnet.spatial.backend import island


def _determinant(displacement: object) -> object:
    axes = displacement.shape[-1]
    inner = [slice(None), *[slice(None, -1)] * axes]
    rows = []  # rows[a][c]: derivative along axis a of component c of p + u(p)
    for axis in range(axes):
        ahead = list(inner)
        ahead[axis + 1] = slice(1, None)
        step = displacement[tuple(ahead)] - displacement[tuple(inner)]
        rows.append([step[..., c] + (1.0 if c == axis else 0.0) for c in range(axes)])
    if axes == 2:
        (a, b), (c, d) = rows
        return a * d - b * c
    (a, b, c), (d, e, f), (g, h, i) = rows
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


_jacobian_determinant = island(_determinant)


@island
def _folding(displacement: object) -> object:
    folded = ops.relu(-_determinant(displacement))
    return ops.mean(ops.sum(folded, axis=tuple(range(1, len(folded.shape)))))


def jacobian_determinant(displacement: object) -> object:
    """Determinant of the Jacobian of p -> p + u(p), by forward differences.

    Unlike `pmrnet.metrics.jacobian_determinant`, which has central ones, it sees a field that
    alternates from voxel to voxel, and is differentiable.

    Parameters
    ----------
    displacement
        (batch, *grid, N), voxels of its grid; N = 2 or 3 grid axes.

    Returns
    -------
    tensor
        (batch, *(grid - 1)); below 0 where the map folds.

    Raises
    ------
    ValueError
        If there is not one component per grid axis.
    """
    _check(displacement)
    return _jacobian_determinant(displacement)


def folding(displacement: object) -> object:
    """Sum over voxels of max(0, -determinant), mean over the batch; see `jacobian_determinant`."""
    _check(displacement)
    return _folding(displacement)


def _check(displacement: object) -> None:
    axes = len(displacement.shape) - 2
    if axes not in (2, 3) or displacement.shape[-1] != axes:
        raise ValueError(
            "the Jacobian needs a displacement (batch, *grid, N) with one component per grid "
            f"axis, two or three; got {tuple(displacement.shape)}."
        )
