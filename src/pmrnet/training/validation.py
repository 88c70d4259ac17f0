"""Dice on validation pairs during training, and the best weights by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pmrnet.data.in_memory import shape_at
from pmrnet.data.prepared import PreparedSubject
from pmrnet.errors import InputError
from pmrnet.label_warp import labels_on_grid
from pmrnet.metrics import dice_per_label
from pmrnet.training.keep_best import KeepBest, as_batch


def validation_labels(
    subjects: Mapping[str, PreparedSubject], spacing: int
) -> dict[str, np.ndarray]:
    """Labels of the subjects on the network grid of `spacing` mm, by name."""
    return {
        name: labels_on_grid(subject, shape_at(subject, spacing), spacing / subject.spacing)
        for name, subject in subjects.items()
    }


def check_labels(labels: Mapping[str, np.ndarray], scored: Sequence[int]) -> None:
    """Refuse to begin where a subject has no label that counts: no weights could be chosen.

    Raises
    ------
    InputError
        Naming the subject, its labels and those that count.
    """
    for name, data in labels.items():
        found = np.unique(data)
        if not np.isin(found, scored).any():
            some = ", ".join(map(str, found[found != 0][:5])) or "none"
            raise InputError(
                f"{name}: expected labels of the validation subjects to be some of those that the "
                f"data set's file lists at `labels:` ({', '.join(map(str, sorted(scored)[:5]))}"
                f"{', ...' if len(scored) > 5 else ''}), found {some}; correct that list."
            )


def warp_labels(labels: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """Labels at the voxel nearest to p + u(p), clipped to the grid; u (X, Y, Z, 3) in voxels.

    Halves are rounded up, as `pmrnet.label_warp` does it for the tables.
    """
    index = []
    for axis, size in enumerate(labels.shape):
        along = [1, 1, 1]
        along[axis] = size
        location = np.arange(size, dtype=np.float32).reshape(along) + displacement[..., axis]
        index.append(np.clip(np.floor(location + 0.5).astype(np.int32), 0, size - 1))
    return labels[tuple(index)]


class ValidationDice(KeepBest):
    """At each epoch's end, score the validation pairs and keep the weights if they are the best.

    Adds `val_dice` to the epoch's logs: mean over pairs of the mean over labels, at the training
    resolution, for choosing weights only (reported scores are taken at 1 mm, see `evaluation`).

    Parameters
    ----------
    images, labels
        By subject, on the grid of training.
    pairs
        Ordered (moving, fixed) pairs.
    scored
        The labels that count.
    folder
        Where `best.weights.h5` and `best.json` go.
    record
        Recorded with the best weights: stage and spacing.
    stride
        Labels are given on every `stride`-th voxel of the images' grid, so that stages of several
        resolutions are scored alike.
    """

    key = "val_dice"

    def __init__(
        self,
        images: dict[str, np.ndarray],
        labels: dict[str, np.ndarray],
        pairs: Sequence[tuple[str, str]],
        scored: Sequence[int],
        folder: Path,
        record: dict[str, object],
        stride: int = 1,
    ) -> None:
        super().__init__(folder, record)
        self.images, self.labels, self.pairs = images, labels, list(pairs)
        self.scored, self.stride = list(scored), stride

    def score(self) -> float:
        """Mean Dice over the pairs with the current weights."""
        values = []
        for moving, fixed in self.pairs:
            outputs = self.model.predict_on_batch(
                {"moving": as_batch(self.images[moving]), "fixed": as_batch(self.images[fixed])}
            )
            every = slice(None, None, self.stride)
            displacement = outputs["displacement"][0][every, every, every] / self.stride
            moved = warp_labels(self.labels[moving], displacement)
            values.append(
                np.nanmean(list(dice_per_label(moved, self.labels[fixed], self.scored).values()))
            )
        return float(np.mean(values))
