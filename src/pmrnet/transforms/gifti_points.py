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
# FreeSurfer's note where the volume lies whose middle its surface coordinates start from.
_CENTRE = ("VolGeomC_R", "VolGeomC_A", "VolGeomC_S")
_GEOMETRY = "VolGeom"


@dataclass(frozen=True, eq=False)
class GiftiPoints:
    """A surface and its vertices in the millimetres of its volume.

    Parameters
    ----------
    points
        Shape (n, 3), RAS mm: the matrix of the file's coordinate system is applied.
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
            matrix, assumed = np.eye(4), None
            if array.coordsys is not None:
                matrix = check_affine(array.coordsys.xform, str(path))
            centre = [float(array.meta.get(key, 0) or 0) for key in _CENTRE]
            if np.allclose(matrix, np.eye(4)) and any(centre) and not _in_scanner(array):
                assumed = (
                    "its vertices are taken for RAS mm of the volume, though FreeSurfer's note on "
                    "the volume leaves open whether they are relative to its middle (if the "
                    "surface lies off, write it by mris_convert --to-scanner first)"
                )
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


def _in_scanner(array: nib.gifti.GiftiDataArray) -> bool:
    return array.coordsys is not None and int(array.coordsys.dataspace) == _SCANNER
