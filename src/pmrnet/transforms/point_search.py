"""Searching the points that a transform takes to given ones: its inverse, point by point."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pmrnet.transforms.chain import members_of
from pmrnet.transforms.dense import DenseTransform
from pmrnet.transforms.transform import Transform

# Steps of the fixed-point iteration after which what is left is better served by Newton's.
_CHEAP_STEPS = 6
# Distances of the finite differences in voxels. Between voxel centres a field is smooth, at their
# planes it has kinks: the wider differences see both sides of one.
_WIDTHS = (0.05, 0.5, 0.2)
# A step of Newton's that leaves more of the error than this has stalled at a kink or a fold.
_STALLED = 0.98
_HALVINGS = 6


@dataclass(eq=False)
class PointSearch:
    """Points x with T(x) = y, as far as they are known.

    Parameters
    ----------
    transform
        T.
    targets
        y, (n, 3), mm.
    points
        x, (n, 3), mm: where the search begins; changed by it, never to what is further off.
    miss, error
        T(x) - y, (n, 3), and its length, (n,).
    """

    transform: Transform
    targets: NDArray[np.float64]
    points: NDArray[np.float64]
    miss: NDArray[np.float64] = field(init=False)
    error: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.miss = self.transform.map_points(self.points) - self.targets
        self.error = np.linalg.norm(self.miss, axis=1)

    def take(self, at: NDArray[np.intp], tried: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Try other points at these indices; those that are closer are kept, and told."""
        miss = self.transform.map_points(tried) - self.targets[at]
        error = np.linalg.norm(miss, axis=1)
        better = error < self.error[at]
        kept = at[better]
        self.points[kept], self.miss[kept] = tried[better], miss[better]
        self.error[kept] = error[better]
        return better

    def run(self, back: NDArray[np.float64], steps: int, stop: float) -> None:
        """Search from where the points are.

        Parameters
        ----------
        back
            3x3 matrix, the inverse of the affine part of T.
        steps
            Upper limit of steps.
        stop
            Error in mm at which a point is left alone.
        """
        cheap = min(steps, _CHEAP_STEPS)
        self._fixed_point(back, cheap, stop)
        self._newton(steps - cheap, stop)

    def _fixed_point(self, back: NDArray, steps: int, stop: float) -> None:
        """Correct x by -w B^-1 miss; w is halved where that was too far."""
        weight = np.ones(len(self.points))
        for _ in range(steps):
            at = np.flatnonzero(self.error > stop)
            if not at.size:
                return
            better = self.take(at, self.points[at] - weight[at, None] * (self.miss[at] @ back.T))
            weight[at] = np.where(better, np.minimum(1.0, 1.5 * weight[at]), weight[at] / 2)

    def _newton(self, steps: int, stop: float) -> None:
        """Correct x by -w J^-1 miss, J the derivative of T at x; w is halved until it helps."""
        at = np.flatnonzero(self.error > stop)
        width = np.zeros(len(self.points), int)
        widths = voxel_size(self.transform) * np.array(_WIDTHS)
        for _ in range(steps):
            if not at.size:
                return
            before = self.error[at]
            jacobian = derivative(self.transform, self.points[at], widths[width[at]])
            way = _newton_step(jacobian, self.miss[at])
            start, left = self.points[at], np.arange(len(at))
            for halving in range(_HALVINGS):
                better = self.take(at[left], start[left] - way[left] / 2**halving)
                left = left[~better]
                if not left.size:
                    break
            width[at] += self.error[at] > _STALLED * before
            at = at[(self.error[at] > stop) & (width[at] < len(_WIDTHS))]


def voxel_size(transform: Transform) -> float:
    """Smallest distance in mm between the voxels of a transform's fields; 1 of none."""
    sizes = [
        np.linalg.norm(member.affine[:3, :3], axis=0).min()
        for member in members_of(transform)
        if isinstance(member, DenseTransform)
    ]
    return float(min(sizes, default=1.0))


def derivative(
    transform: Transform, points: NDArray[np.float64], reach: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """Derivative of T by central differences.

    Parameters
    ----------
    transform
        T.
    points
        (n, 3), mm.
    reach
        How far to either side the differences go, mm: of each point, or of all.

    Returns
    -------
    ndarray, float64, shape (n, 3, 3)
        Row i, column j: of component i along axis j.
    """
    columns = []
    reach = np.broadcast_to(reach, len(points))
    for axis in range(3):
        aside = np.zeros_like(points)
        aside[:, axis] = reach
        change = transform.map_points(points + aside) - transform.map_points(points - aside)
        columns.append(change / (2 * reach[:, None]))
    return np.stack(columns, axis=-1)


def folds_near(transform: Transform, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether T folds at points (n, 3) or less than half a voxel from them.

    Where a search ends at a fold, the derivative changes its sign: it is looked at on both sides.
    """
    size = voxel_size(transform)
    folds = np.zeros(len(points), bool)
    for corner in np.ndindex(2, 2, 2):
        near = points + 0.25 * size * (2 * np.array(corner) - 1)
        folds |= np.linalg.det(derivative(transform, near, 0.05 * size)) <= 0
    return folds


def _newton_step(jacobian: NDArray, miss: NDArray) -> NDArray:
    """J^-1 miss, of points (n, 3); damped a little, for J that are singular."""
    transposed = np.swapaxes(jacobian, -1, -2)
    normal = transposed @ jacobian
    damping = 1e-6 * np.trace(normal, axis1=-2, axis2=-1) + 1e-12
    normal += damping[:, None, None] * np.eye(3)
    return np.linalg.solve(normal, transposed @ miss[..., None])[..., 0]
