"""What a displacement between prepared subjects is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pmrnet.label_warp import moved_labels
from pmrnet.metrics import dice_per_label
from pmrnet.summary import ALL


def dice_of(
    labels: Sequence[int], groups: Mapping[str, Sequence[int]]
) -> Callable[[Any, Any, NDArray], dict[str, float]]:
    """Make the score of a pair by region: (moving, fixed, displacement) -> means of Dice.

    They are those over the labels of every group, under its name, and over all labels, under
    `pmrnet.summary.ALL`; scored as by `mean_dice`.
    """

    def score(moving: Any, fixed: Any, displacement: NDArray) -> dict[str, float]:
        moved = moved_labels(fixed, moving, np.asarray(displacement))
        found = dice_per_label(moved, fixed.labels().data, labels)
        regions = {ALL: labels, **groups}
        return {
            name: float(np.nanmean([found[label] for label in of])) for name, of in regions.items()
        }

    return score


def mean_dice(labels: Sequence[int]) -> Callable[[Any, Any, NDArray], float]:
    """Make the score of a pair: (moving, fixed, displacement) -> mean Dice over the labels.

    As the tables have it: on the fixed subject's own grid, of labels moved by the nearest voxel.
    """
    score = dice_of(labels, {})
    return lambda moving, fixed, displacement: score(moving, fixed, displacement)[ALL]
