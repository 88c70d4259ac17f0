"""A brain by its files' content: aligned to the template once, wherever it is used again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pmrnet.aligned_brain import AlignedBrain, align_image
from pmrnet.brain_image import read_brain
from pmrnet.data.affine import AffineSettings
from pmrnet.data.alignment import align_to_template
from pmrnet.data.brain_box import cut_to_brain
from pmrnet.data.prepared import describe_inputs, without_paths
from pmrnet.provenance import sha256_of


@dataclass(frozen=True)
class BrainFiles:
    """Image and mask of a brain.

    Parameters
    ----------
    image, mask
        Volumes on one grid; without a mask the image is skull-stripped.
    key
        Short checksum of their content.
    checksums
        SHA-256 of each file by its role, as `pmrnet.data.prepared.without_paths` gives them.
    """

    image: Path
    mask: Path | None
    key: str
    checksums: Mapping[str, Any] = field(compare=False)

    @classmethod
    def read(cls, image: Path, mask: Path | None = None) -> BrainFiles:
        """Take the checksums of the files.

        Raises
        ------
        InputError
            If a file is missing or may not be read.
        """
        paths = {"image": image} | ({} if mask is None else {"mask": mask})
        checksums = without_paths(describe_inputs(paths))
        return cls(image, mask, sha256_of(checksums)[:16], checksums)


def align_files(
    files: BrainFiles, kept: Path, shape: tuple[int, int, int] = (160, 192, 160)
) -> AlignedBrain:
    """Align a brain to the template, by the alignment kept from before if there is one.

    Parameters
    ----------
    files
        The brain.
    kept
        Folder that keeps the alignments of all brains, by their content.
    shape
        Voxels of the network grid at 1 mm.

    Raises
    ------
    InputError
        If the files cannot be used, no alignment is found or it cannot be kept.
    """
    settings = AffineSettings()
    source = read_brain(files.image, files.mask, str(files.image))
    brain = cut_to_brain(source.brain)
    # As `align_image` does it where nothing is kept, so that a pair has one result.
    record = align_to_template(kept / files.key, brain, files.checksums, settings, quick=True)
    return align_image(source, shape, np.array(record["template_to_subject"]))
