"""Mean of brains on one grid, each moved by a deformation."""

from __future__ import annotations

import numpy as np
from keras import ops
from numpy.typing import NDArray

from pmrnet import spatial
from pmrnet.data.intensity import normalise


class BrainMean:
    """Mean over the brains that reach a voxel, where at least half of them do.

    A plain mean would have a dark rim where brains of unlike outlines end, which a network takes
    for anatomy.
    """

    def __init__(self) -> None:
        self._count = 0
        self._total = self._square = self._coverage = 0.0

    def add(self, image: NDArray, displacement: NDArray | None = None) -> None:
        """Add a brain, zero outside, moved by a displacement (X, Y, Z, 3) in voxels.

        moved(p) = image(p + u(p)), interpolated linearly once.
        """
        values = np.stack([image, image > 0], axis=-1).astype(np.float32)
        if displacement is not None:
            moved = spatial.warp(_batch(values), _batch(displacement))
            values = ops.convert_to_numpy(moved)[0]
        self._count += 1
        self._total = self._total + values[..., 0].astype(np.float64)
        self._square = self._square + values[..., 0].astype(np.float64) ** 2
        self._coverage = self._coverage + values[..., 1].astype(np.float64)

    def image(self) -> NDArray:
        """Mean as the networks take it: float32 in [0, 1], 0 outside the brain."""
        return normalise(self._mean())

    def spread(self) -> float:
        """Standard deviation of the intensities across the brains, mean over voxels of all."""
        everywhere = self._coverage > self._count - 1e-3
        mean = self._total[everywhere] / self._count
        variance = self._square[everywhere] / self._count - mean**2
        return float(np.sqrt(np.maximum(variance, 0)).mean()) if mean.size else float("nan")

    def _mean(self) -> NDArray:
        brain = self._coverage >= 0.5 * self._count
        return np.where(brain, self._total / np.maximum(self._coverage, 0.5), 0).astype(np.float32)


def compose(outer: NDArray, inner: NDArray) -> NDArray:
    """Displacement of (Id + outer) o (Id + inner), both (X, Y, Z, 3) in voxels of one grid."""
    return ops.convert_to_numpy(spatial.compose(_batch(outer), _batch(inner)))[0]


def _batch(values: NDArray) -> object:
    return ops.convert_to_tensor(np.ascontiguousarray(values[None], np.float32))
