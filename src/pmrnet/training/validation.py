"""Dice on validation pairs during training, and the best weights by it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from pmrnet.data.prepared import PreparedSubject
from pmrnet.files import atomic_path, atomic_write_text
from pmrnet.metrics import dice_per_label


def labels_on_grid(
    subject: PreparedSubject, shape: tuple[int, int, int], spacing: int
) -> np.ndarray:
    """Bring a subject's labels to the network grid of a spacing in mm, nearest neighbour.

    Returns an integer array of `shape`; 0 outside the subject's native grid.
    """
    labels = np.asarray(subject.labels().data)
    step = spacing / subject.spacing  # in voxels of the stored grid, as grid_to_native has it
    matrix = np.asarray(subject.grid_to_native)
    axes = [np.arange(n, dtype=np.float32) * step for n in shape]
    index, inside = [], True
    for row in range(3):
        location = (
            matrix[row, 0] * axes[0][:, None, None]
            + matrix[row, 1] * axes[1][None, :, None]
            + matrix[row, 2] * axes[2][None, None, :]
            + matrix[row, 3]
        )
        nearest = np.rint(location).astype(np.int32)
        inside = inside & (nearest >= 0) & (nearest < labels.shape[row])
        index.append(np.clip(nearest, 0, labels.shape[row] - 1))
    return np.where(inside, labels[tuple(index)], 0)


def validation_labels(
    subjects: Mapping[str, PreparedSubject], spacing: int
) -> dict[str, np.ndarray]:
    """Labels of the subjects on the network grid of `spacing` mm, by name."""
    return {
        name: labels_on_grid(subject, subject.image_at(spacing).shape, spacing)
        for name, subject in subjects.items()
    }


def warp_labels(labels: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """Labels at the voxel nearest to p + u(p), clipped to the grid; u (X, Y, Z, 3) in voxels."""
    index = []
    for axis, size in enumerate(labels.shape):
        along = [1, 1, 1]
        along[axis] = size
        location = np.arange(size, dtype=np.float32).reshape(along) + displacement[..., axis]
        index.append(np.clip(np.rint(location).astype(np.int32), 0, size - 1))
    return labels[tuple(index)]


class ValidationDice(keras.callbacks.Callback):
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
        super().__init__()
        self.images, self.labels, self.pairs = images, labels, list(pairs)
        self.scored, self.folder = list(scored), Path(folder)
        self.record, self.stride = dict(record), stride

    @property
    def best(self) -> float:
        """Best Dice so far; it survives a kill since it is read from disk."""
        try:
            return json.loads((self.folder / "best.json").read_text())["val_dice"]
        except FileNotFoundError:
            return -np.inf

    def score(self) -> float:
        """Mean Dice over the pairs with the current weights."""
        values = []
        for moving, fixed in self.pairs:
            outputs = self.model.predict_on_batch(
                {"moving": _batch(self.images[moving]), "fixed": _batch(self.images[fixed])}
            )
            every = slice(None, None, self.stride)
            displacement = outputs["displacement"][0][every, every, every] / self.stride
            moved = warp_labels(self.labels[moving], displacement)
            values.append(
                np.nanmean(list(dice_per_label(moved, self.labels[fixed], self.scored).values()))
            )
        return float(np.mean(values))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Score, log and keep the best."""
        started = time.perf_counter()
        dice = self.score()
        if logs is not None:
            logs["val_dice"] = dice
            logs["val_seconds"] = time.perf_counter() - started
        if dice > self.best:
            with atomic_path(self.folder / "best.weights.h5") as temporary:
                self.model.save_weights(temporary)
            record = {"val_dice": dice, **self.record, "epoch": epoch + 1}
            atomic_write_text(self.folder / "best.json", json.dumps(record, indent=1) + "\n")


def _batch(image: np.ndarray) -> np.ndarray:
    return np.asarray(image, dtype=np.float32)[None, ..., None]
