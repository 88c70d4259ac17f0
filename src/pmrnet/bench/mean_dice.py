"""What a displacement between prepared subjects is worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pmrnet.label_warp import moved_labels
from pmrnet.metrics import dice_per_label


def mean_dice(labels: Sequence[int]) -> Callable[[Any, Any, NDArray], float]:
    """Make the score of a pair: (moving, fixed, displacement) -> mean Dice over the labels.

    As the tables have it: on the fixed subject's own grid, of labels moved by the nearest voxel.
    """

    def score(moving: Any, fixed: Any, displacement: NDArray) -> float:
        moved = moved_labels(fixed, moving, np.asarray(displacement))
        return float(np.nanmean(list(dice_per_label(moved, fixed.labels().data, labels).values())))

    return score
