"""What a registration's folder says of its two images, and finding them again by it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pmrnet.brain_image import BrainImage, read_brain
from pmrnet.data.volume import Volume
from pmrnet.errors import InputError

# Of what is written as text: beyond it two affines are two places.
_ROUNDING_MM = 1e-3


def mask_name(role: str) -> str:
    """Name, without ending, of the mask that a tool made of the moving or the fixed image."""
    return f"{role}_mask"


def describe_image(source: BrainImage, role: str) -> dict[str, Any]:
    """Describe one of the images, as JSON types.

    Parameters
    ----------
    source
        The image and its brain.
    role
        ``moving`` or ``fixed``.

    Returns
    -------
    dict
        ``file`` and ``mask``, absolute paths, None for what was given as an array or not at all;
        ``shape`` and ``affine`` (4x4 voxel-to-RAS, mm) of its grid; ``brain_sha256``, the checksum
        of the brain's values; and, if a tool stripped the skull, ``stripped``: its name, version
        and the mask's file in the folder.
    """
    record = {
        "file": _file(source.name),
        "mask": _file(source.mask_name),
        "shape": list(source.brain.shape),
        "affine": source.brain.affine.tolist(),
        "brain_sha256": _checksum(source.brain),
    }
    if source.stripped is not None:
        record["stripped"] = {
            "tool": source.stripped.tool,
            "version": source.stripped.version,
            "mask": f"{mask_name(role)}.nii.gz",
        }
    return record


def find_image(
    record: Mapping[str, Any],
    role: str,
    folder: Path,
    image: Path | None = None,
    mask: Path | None = None,
) -> BrainImage:
    """Read an image again that a registration was made of.

    Parameters
    ----------
    record
        What `describe_image` said of it.
    role
        ``moving`` or ``fixed``.
    folder
        Of the registration.
    image, mask
        Where they are now; where they were if None.

    Raises
    ------
    InputError
        If it is not known where the image is, it is not there, cannot be used or is another one.
    """
    image = image or _known(record["file"], role, folder, f"--{role}")
    if mask is None and "stripped" in record:
        mask = folder / record["stripped"]["mask"]
    elif mask is None and record["mask"]:
        mask = _known(record["mask"], f"mask of the {role}", folder, f"--{role}-mask")
    source = read_brain(image, mask, f"{role} image")
    found = source.brain
    if list(found.shape) != record["shape"]:
        difference = f"the shape {found.shape}", f"{tuple(record['shape'])}"
    elif not np.allclose(found.affine, record["affine"], rtol=0, atol=_ROUNDING_MM):
        difference = f"the affine {found.affine.tolist()}", f"{record['affine']}"
    elif _checksum(found) != record["brain_sha256"]:
        difference = "other values in the brain", "those of then"
    else:
        return source
    raise InputError(
        f"{image}: expected the {role} image that {folder} was made of, with {difference[1]}, "
        f"found {difference[0]}; name that image by --{role}, and its mask if it had one."
    )


def _file(name: str | None) -> str | None:
    """Absolute path if it is a file's."""
    return os.path.abspath(name) if name is not None and os.path.isfile(name) else None


def _known(file: str | None, what: str, folder: Path, option: str) -> Path:
    if file is None:
        raise InputError(
            f"{folder}: expected to know the file of the {what} image, found that it was made of "
            f"an array; say where it is by {option}."
        )
    if not Path(file).is_file():
        raise InputError(
            f"{folder}: expected the {what} image at {file}, found none there; say where it is "
            f"now by {option}."
        )
    return Path(file)


def _checksum(brain: Volume) -> str:
    return hashlib.sha256(np.ascontiguousarray(brain.data, "<f4")).hexdigest()
