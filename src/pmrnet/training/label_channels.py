"""Labels of training subjects, some of them at a time, as channels of 0 and 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pmrnet.data.in_memory import shape_at
from pmrnet.data.prepared import PreparedSubject
from pmrnet.errors import InputError
from pmrnet.label_warp import labels_on_grid
from pmrnet.protocol import Protocol


def training_labels(
    data_sets: Sequence[tuple[Protocol, Mapping[str, PreparedSubject]]], spacing: int
) -> list[np.ndarray]:
    """Labels of all training subjects on the network grid of a spacing in mm, in their order.

    All are held in memory, in the smallest type that has their numbers; those that the protocol
    does not score are 0.

    Raises
    ------
    InputError
        If a data set has no labels to score, or a subject has none.
    """
    maps = []
    for protocol, subjects in data_sets:
        if not protocol.labels:
            raise InputError(
                f"{protocol.name}: expected labels to train with, since the experiment has a "
                "section `labels`, found none in the data set's file; add them, or take the "
                "section out."
            )
        scored = sorted(protocol.labels)
        kind = np.min_scalar_type(max(scored))
        for name in protocol.train:
            subject = subjects[name]
            step = spacing / subject.spacing
            found = labels_on_grid(subject, shape_at(subject, spacing), step)
            maps.append(np.where(np.isin(found, scored), found, 0).astype(kind))
    return maps


def label_channels(
    moving: np.ndarray,
    fixed: np.ndarray,
    present: np.ndarray,
    count: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Some labels of a pair, drawn at random.

    Parameters
    ----------
    moving, fixed
        Label maps (X, Y, Z).
    present
        The labels to draw from, each once, in one dimension.
    count
        How many to draw. All are taken before one is taken again; without any, the channels are
        empty.
    rng
        Source of the draw.

    Returns
    -------
    tuple of ndarray
        Both maps as uint8 (X, Y, Z, count), 1 within the label.
    """
    if not present.size:
        empty = np.zeros((*moving.shape, count), np.uint8)
        return empty, empty
    rounds = -(-count // present.size)
    drawn = np.concatenate([rng.permutation(present) for _ in range(rounds)])[:count]
    moving, fixed = ((labels[..., None] == drawn).astype(np.uint8) for labels in (moving, fixed))
    return moving, fixed
