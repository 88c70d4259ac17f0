"""Labels that are scored as one: numbers replaced by other numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def merge_labels(labels: np.ndarray, merge: Mapping[int, int]) -> np.ndarray:
    """Replace label numbers, all at once: what became 3 is not looked up again.

    Parameters
    ----------
    labels
        Integer array of any shape; left as it is.
    merge
        Number to its replacement; numbers that are not in it stay.

    Returns
    -------
    ndarray
        Array of the same shape and type.
    """
    if not merge:
        return labels
    # By rank rather than by a table of all numbers, which reach two thousand millions.
    old = np.array(sorted(merge), dtype=labels.dtype)
    new = np.array([merge[number] for number in sorted(merge)], dtype=labels.dtype)
    rank = np.searchsorted(old, labels).clip(max=len(old) - 1)
    return np.where(old[rank] == labels, new[rank], labels)
