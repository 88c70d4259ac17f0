"""Likeness of validation pairs during training, where there are no labels to overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pmrnet.image_warp import warp_image
from pmrnet.training.keep_best import KeepBest, as_batch


class ValidationSimilarity(KeepBest):
    """At each epoch's end, score the validation pairs by likeness; keep the best weights.

    Adds `val_similarity` to the epoch's logs: minus the mean squared difference of the moved and
    the fixed image within the union of their brains, mean over pairs; 0 is perfect. It cannot see
    whether a deformation is plausible, which is left to the objective's regularisation: where
    there are labels, `pmrnet.training.validation.ValidationDice` is better.

    Parameters
    ----------
    images
        Images by subject on the grid of training, 0 outside the brain: what the network is given.
    compared
        Images by subject on every `stride`-th voxel of that grid: what is warped and compared.
        Those of the coarsest stage for all stages, so that they are scored alike.
    pairs
        Ordered (moving, fixed) pairs.
    folder
        Where `best.weights.h5` and `best.json` go.
    record
        Recorded with the best weights: stage and spacing.
    stride
        See `compared`.
    """

    key = "val_similarity"

    def __init__(
        self,
        images: Mapping[str, np.ndarray],
        compared: Mapping[str, np.ndarray],
        pairs: Sequence[tuple[str, str]],
        folder: Path,
        record: dict[str, object],
        stride: int = 1,
    ) -> None:
        super().__init__(folder, record)
        self.images, self.compared = dict(images), dict(compared)
        self.pairs, self.stride = list(pairs), stride

    def score(self) -> float:
        """Minus the mean squared difference over the pairs with the current weights."""
        every = slice(None, None, self.stride)
        values = []
        for moving, fixed in self.pairs:
            outputs = self.model.predict_on_batch(
                {"moving": as_batch(self.images[moving]), "fixed": as_batch(self.images[fixed])}
            )
            displacement = outputs["displacement"][0][every, every, every] / self.stride
            moved = warp_image(self.compared[moving], displacement, beyond="nearest")
            values.append(brain_difference(moved, self.compared[fixed]))
        return -float(np.mean(values))


def brain_difference(moved: np.ndarray, fixed: np.ndarray) -> float:
    """Mean squared difference where either of two images of one shape is not 0."""
    brain = (moved != 0) | (fixed != 0)
    difference = moved[brain].astype(np.float64) - fixed[brain]
    return float(np.mean(difference**2)) if difference.size else 0.0
