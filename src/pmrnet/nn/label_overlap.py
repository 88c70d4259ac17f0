"""Weak supervision: the overlap of training subjects' labels as a further term of the loss."""

from __future__ import annotations

from keras import ops


def label_overlap(fixed: object, moved: object) -> object:
    """One minus the mean soft Dice of moved and fixed labels.

    As in VoxelMorph with auxiliary labels (Balakrishnan et al., IEEE TMI 2019, section IV-C), whose
    registration, too, needs images alone.

    Parameters
    ----------
    fixed, moved
        (batch, *grid, labels), each label's share of every voxel, 0 to 1.

    Returns
    -------
    tensor
        Scalar, averaged over labels and batch. A label that is in neither counts as matched.
    """
    axes = list(range(1, len(fixed.shape) - 1))
    common = ops.sum(fixed * moved, axis=axes)
    together = ops.sum(fixed, axis=axes) + ops.sum(moved, axis=axes)
    return 1.0 - ops.mean((2.0 * common + 1.0) / (together + 1.0))
