"""A subject's files brought together: one brain in its own grid, and what was noticed about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pmrnet.data.brain_contrast import check_contrast
from pmrnet.data.brain_mask import cut_out
from pmrnet.data.placement import axis_codes, check_affine, check_same_grid
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.data.volume import Volume, load_image, load_labels
from pmrnet.data.whole_head import refuse_whole_head

#: function of the label file's path and the labels that gives the voxel-to-RAS matrix of the grid
Orientation = Callable[[Path, Volume], np.ndarray]


def load_native(
    files: SubjectFiles, orientation: Orientation | None = None
) -> tuple[Volume, list[str]]:
    """Read and check a subject's files.

    Parameters
    ----------
    files
        Image, and perhaps labels and brain mask.
    orientation
        Gives the matrix of the grid from the labels, for formats or headers that do not tell.

    Returns
    -------
    Volume
        The image, zero outside the mask if there is one, with the matrix that `orientation` gives.
    list of str
        Notices: what was assumed, and where labels and header contradict each other.

    Raises
    ------
    InputError
        If a file cannot be used, labels or mask are not on the image's grid, the mask is none, or
        there is none and the image is not that of a brain alone.
    """
    image = load_image(files.image)
    if files.mask is None:
        refuse_whole_head(files.image, image)
    else:
        mask = load_image(files.mask)
        check_same_grid(files.mask, mask, files.image, image)
        image = cut_out(image, mask, files.image, files.mask)
    check_contrast(image, files.image, files.mask)
    notices = []
    if files.labels is not None:
        labels = load_labels(files.labels)
        check_same_grid(files.labels, labels, files.image, image)
        if orientation is not None:
            return _oriented(image, files.labels, orientation(files.labels, labels))
    if image.assumed:
        notices.append(f"{files.image}: {image.assumed}; look whether left and right are right")
    return image, notices


def _oriented(image: Volume, path: Path, affine: np.ndarray) -> tuple[Volume, list[str]]:
    """Image with the matrix that its labels show, and a notice where the header says otherwise."""
    shown = check_affine(affine, f"{path}, orientation by its labels")
    header, labels = axis_codes(image.affine), axis_codes(shown)
    notices = []
    if header != labels:
        notices.append(
            f"{path}: the labels show voxel axes that point to {labels}, where the header says or "
            f"is taken to say {header}; the labels are believed"
        )
    return Volume(image.data, shown), notices
