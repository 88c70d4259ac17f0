"""NIfTI files compressed by ISA-L, ten times faster than by zlib: fields are large."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
from isal import igzip


def save_nifti(image: nib.spatialimages.SpatialImage, path: Path) -> None:
    """Write an image as `nibabel.save` does, ``.nii.gz`` by a faster compressor; not atomic.

    The bytes depend on the image alone: neither time nor name are in the file.
    """
    if not path.name.lower().endswith(".nii.gz"):
        nib.save(image, path)
        return
    with (
        path.open("wb") as stream,
        igzip.IGzipFile(
            filename="", mode="wb", compresslevel=1, fileobj=stream, mtime=0
        ) as compressed,
    ):
        image.to_stream(compressed)
