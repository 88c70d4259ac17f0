"""A skull stripped once: the mask that a tool made, kept for whoever reads the head again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from pmrnet.data.placement import check_same_grid
from pmrnet.data.prepared import write_json
from pmrnet.data.reading import read_volume
from pmrnet.data.skull_strip import SkullStrip, strip_skull
from pmrnet.data.volume import Volume, save_image

MASK, RECORD = "mask.nii.gz", "mask.json"


def strip_once(head: Volume, name: str, folder: Path) -> SkullStrip:
    """Find the brain in an image of a whole head, or read the mask found before.

    Parameters
    ----------
    head, name
        See `pmrnet.data.skull_strip.strip_skull`.
    folder
        Of this image alone; ``mask.nii.gz`` and ``mask.json``, which names the tool, stay there.

    Raises
    ------
    InputError
        If the skull cannot be stripped, or the folder cannot be written to.
    """
    if (kept := _kept(folder, head)) is not None:
        return kept
    found = strip_skull(head, name)
    save_image(folder / MASK, found.mask.data, found.mask.affine)
    # Last, so that there is a mask if it is there.
    write_json(folder / RECORD, {"tool": found.tool, "version": found.version})
    return found


def _kept(folder: Path, head: Volume) -> SkullStrip | None:
    """The mask in the folder, if it is whole and on the image's grid."""
    path = folder / MASK
    try:
        record = json.loads((folder / RECORD).read_text())
        content = read_volume(path, "vol")
        mask = Volume(content.data.astype(np.uint8), content.affine)
        check_same_grid(path, mask, path, head)
        return SkullStrip(replace(mask, affine=head.affine), record["tool"], record["version"])
    except (OSError, ValueError, KeyError, TypeError):  # InputError is a ValueError
        return None
