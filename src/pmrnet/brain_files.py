"""A brain by its files' content: aligned to the template once, wherever it is used again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pmrnet.aligned_brain import AlignedBrain, align_image
from pmrnet.brain_image import BrainImage, read_brain
from pmrnet.data.affine import AffineSettings
from pmrnet.data.alignment import align_to_template
from pmrnet.data.brain_box import cut_to_brain
from pmrnet.data.prepared import describe_inputs, without_paths
from pmrnet.kept_mask import strip_once
from pmrnet.provenance import sha256_of


@dataclass(frozen=True)
class BrainFiles:
    """Image and mask of a brain.

    Parameters
    ----------
    image, mask
        Volumes on one grid; without a mask the image is skull-stripped, or is to be.
    strip
        Let an installed tool find the brain in a whole head without a mask.
    key
        Short checksum of their content.
    checksums
        SHA-256 of each file by its role, as `pmrnet.data.prepared.without_paths` gives them.
    """

    image: Path
    mask: Path | None
    strip: bool
    key: str
    checksums: Mapping[str, Any] = field(compare=False)

    @classmethod
    def read(cls, image: Path, mask: Path | None = None, strip: bool = False) -> BrainFiles:
        """Take the checksums of the files.

        Raises
        ------
        InputError
            If a file is missing or may not be read.
        """
        paths = {"image": image} | ({} if mask is None else {"mask": mask})
        checksums = without_paths(describe_inputs(paths))
        return cls(image, mask, strip, sha256_of(checksums)[:16], checksums)

    def brain(self, kept: Path) -> BrainImage:
        """Read the image and cut the brain out; a skull is stripped once, see `align_files`.

        Raises
        ------
        InputError
            If the files cannot be used.
        """
        strip = partial(strip_once, folder=kept / self.key) if self.strip else None
        return read_brain(self.image, self.mask, str(self.image), strip, offers_strip=True)


def align_files(
    files: BrainFiles, kept: Path, shape: tuple[int, int, int] = (160, 192, 160)
) -> AlignedBrain:
    """Align a brain to the template, by the alignment kept from before if there is one.

    Parameters
    ----------
    files
        The brain.
    kept
        Folder that keeps the alignments of all brains, by their content, and the masks of those
        whose skull was stripped.
    shape
        Voxels of the network grid at 1 mm.

    Raises
    ------
    InputError
        If the files cannot be used, no alignment is found or it cannot be kept.
    """
    settings = AffineSettings()
    source = files.brain(kept)
    brain = cut_to_brain(source.brain)
    # As `align_image` does it where nothing is kept, so that a pair has one result.
    record = align_to_template(kept / files.key, brain, files.checksums, settings, quick=True)
    return align_image(source, shape, np.array(record["template_to_subject"]))
