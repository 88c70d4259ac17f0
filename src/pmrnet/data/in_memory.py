"""Images of many subjects for training: in memory where they fit, else mapped from disk."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from pmrnet.data.prepared import PreparedSubject
from pmrnet.data.volume import load_array, save_array
from pmrnet.errors import InputError
from pmrnet.machine_limits import free_memory

# The network and its gradients need the rest.
_SHARE = 4


def load_images(
    subjects: Iterable[PreparedSubject], spacing: int, budget_bytes: int | None = None
) -> list[np.ndarray]:
    """Images of several subjects on the network grid of a spacing.

    All of them are held in memory if they fit into the budget. Otherwise all are mapped from disk:
    the stored images at their own spacing, coarser ones from files ``image_<spacing>mm.npy`` that
    are made beside them once.

    Parameters
    ----------
    subjects
        Prepared subjects.
    spacing
        Voxel size in mm, a whole multiple of the stored images'.
    budget_bytes
        Memory that the images may take; a quarter of what this process can still have if None.

    Returns
    -------
    list of ndarray
        float32 arrays in the order of the subjects, to be read only.

    Raises
    ------
    InputError
        If an image is missing or has another spacing, or a coarser one cannot be written.
    """
    subjects = list(subjects)
    budget = free_memory() // _SHARE if budget_bytes is None else budget_bytes
    if sum(4 * math.prod(shape_at(subject, spacing)) for subject in subjects) > budget:
        return [_mapped(subject, spacing) for subject in subjects]
    return [np.array(subject.image_at(spacing), dtype=np.float32) for subject in subjects]


def shape_at(subject: PreparedSubject, spacing: int) -> tuple[int, ...]:
    """Shape of what `PreparedSubject.image_at` gives for a spacing in mm, without the image."""
    return tuple(math.ceil(n * subject.spacing / spacing) for n in subject.image.shape)


def _mapped(subject: PreparedSubject, spacing: int) -> np.ndarray:
    if spacing == subject.spacing:
        return subject.image
    path = subject.folder / f"image_{spacing:g}mm.npy"
    try:
        image = load_array(path)
        if image.shape == shape_at(subject, spacing) and image.dtype == np.float32:
            return image
    except InputError:
        pass  # not made yet, or broken
    return load_array(save_array(path, subject.image_at(spacing)))
