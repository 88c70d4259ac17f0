"""Which labels a label map holds."""

from __future__ import annotations

import numpy as np

# Up to here counting is faster than sorting, and its table small.
_COUNTED = 1_000_000


def label_ids(labels: np.ndarray) -> list[int]:
    """Labels of a map in rising order, without the background 0.

    Parameters
    ----------
    labels
        Whole numbers of at least 0, of any shape, in an integer type.
    """
    if labels.size and labels.max() < _COUNTED:
        found = np.flatnonzero(np.bincount(labels.ravel()))
    else:
        found = np.unique(labels)
    return found[found != 0].tolist()
