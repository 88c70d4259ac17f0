"""Vertices of GIFTI surfaces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from pmrnet.data.placement import check_affine
from pmrnet.errors import InputError
from pmrnet.transforms.reading import explained_reading

_SCANNER = nib.nifti1.xform_codes["scanner"]
# The spaces whose millimetres are those of a volume's header.
_OF_VOLUME = (_SCANNER, nib.nifti1.xform_codes["aligned"])
# FreeSurfer's note where the volume lies whose middle its surface coordinates start from.
_CENTRE = ("VolGeomC_R", "VolGeomC_A", "VolGeomC_S")
_GEOMETRY = "VolGeom"
_ASSUMED = (
    "its vertices are taken for RAS mm of the volume, though the file leaves open whether they are "
    "relative to its middle (if the surface lies off, write it by mris_convert --to-scanner first)"
)


@dataclass(frozen=True, eq=False)
class GiftiPoints:
    """A surface and its vertices in the millimetres of its volume.

    Parameters
    ----------
    points
        Shape (n, 3), RAS mm of the volume: the matrix of the file's coordinate system is applied
        where it leads there, and not where it leads away, such as to Talairach space.
    image
        The file's content.
    lps
        False: GIFTI is in RAS.
    assumed
        What the file leaves open and was assumed.
    """

    points: NDArray[np.float64]
    image: nib.GiftiImage
    assumed: str | None
    lps: bool = False

    @classmethod
    def read(cls, path: Path, lps: bool) -> GiftiPoints:
        """Read a surface.

        Raises
        ------
        InputError
            If LPS is asked for, the file is missing or damaged, has no vertices or several sets, a
            vertex is not finite, or the matrix of its coordinate system cannot be inverted.
        """
        if lps:
            raise InputError(
                f"{path}: expected coordinates in RAS, in which GIFTI is defined, found LPS asked "
                "for; leave the option out."
            )
        with explained_reading(path, "a GIFTI surface"):
            image = nib.load(path)
            found = image.get_arrays_from_intent("NIFTI_INTENT_POINTSET")
            if len(found) != 1 or found[0].data.ndim != 2 or found[0].data.shape[1] != 3:
                raise InputError(
                    f"{path}: expected one set of vertices, found {len(found)} "
                    f"{[array.data.shape for array in found]}; give the surface (.surf.gii), not "
                    "data on it."
                )
            array = found[0]
            matrix, assumed = _to_volume(array, path)
            points = apply_affine(matrix, np.asarray(array.data, np.float64))
            if not np.isfinite(points).all():
                raise InputError(
                    f"{path}: expected finite vertices, found NaN or infinity; make the surface "
                    "again."
                )
        return cls(points, image, assumed)

    def write(self, path: Path, points: NDArray[np.float64]) -> None:
        """Write the surface with other vertices.

        They are in the RAS mm of the new space, so that the matrix becomes the identity, and
        FreeSurfer's note on the volume of the old space is left out.
        """
        (array,) = self.image.get_arrays_from_intent("NIFTI_INTENT_POINTSET")
        array.data = points.astype(array.data.dtype)
        array.coordsys = nib.gifti.GiftiCoordSystem(_SCANNER, _SCANNER, np.eye(4))
        for key in [key for key in array.meta if key.startswith(_GEOMETRY)]:
            del array.meta[key]
        path.write_bytes(self.image.to_bytes())


def _to_volume(array: nib.gifti.GiftiDataArray, path: Path) -> tuple[NDArray, str | None]:
    """Matrix from the vertices to the volume's RAS mm, and what is assumed by it."""
    centre = any(float(array.meta.get(key, 0) or 0) for key in _CENTRE)
    known = array.coordsys
    if known is None:
        return np.eye(4), _ASSUMED if centre else None
    matrix = check_affine(known.xform, str(path))
    if int(known.dataspace) in _OF_VOLUME:
        return np.eye(4), None
    if int(known.xformspace) in _OF_VOLUME and not np.allclose(matrix, np.eye(4)):
        return matrix, None
    return np.eye(4), _ASSUMED if centre or not np.allclose(matrix, np.eye(4)) else None
