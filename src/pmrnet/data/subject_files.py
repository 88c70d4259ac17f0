"""The files that a subject is read from."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class SubjectFiles(NamedTuple):
    """Where a subject's volumes are; all of them on one grid.

    Attributes
    ----------
    image : pathlib.Path
        T1 image, zero outside the brain unless there is a mask.
    labels : pathlib.Path or None
        Label map, if there is one.
    mask : pathlib.Path or None
        Brain mask, where the image is not skull-stripped itself: whole numbers above 0 or
        probabilities from 0.5 inside the brain.
    """

    image: Path
    labels: Path | None = None
    mask: Path | None = None
