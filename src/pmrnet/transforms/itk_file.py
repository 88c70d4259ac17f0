"""ITK's own transform files: .mat, .txt, .tfm and .h5, single and composite."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from pmrnet.data.placement import LPS
from pmrnet.errors import InputError
from pmrnet.transforms.affine import AffineTransform
from pmrnet.transforms.chain import Chain
from pmrnet.transforms.dense import DenseTransform
from pmrnet.transforms.reading import explained_reading
from pmrnet.transforms.transform import Transform

if TYPE_CHECKING:
    import SimpleITK as sitk

#: endings of the names
ENDINGS = (".mat", ".txt", ".tfm", ".h5", ".hdf5")
_TEXT = (".txt", ".tfm")


def read_itk_transform(path: Path) -> Transform:
    """Read an affine transform, a displacement field or a composite of such.

    Parameters
    ----------
    path
        File of ITK, ANTs, 3D Slicer or SimpleITK; all of ITK's linear transforms (rigid,
        similarity, ...) and composites of them alone come as an `AffineTransform`.

    Raises
    ------
    InputError
        If the file is missing or damaged, not of 3-D space, or holds a transform that is neither
        linear nor a displacement field.
    """
    import SimpleITK as sitk  # slow to import

    with explained_reading(path, "a transform of ITK"):
        if path.suffix.lower() in _TEXT:
            _check_whole(path)
        with _known_to_itk(path) as known:
            return _converted(sitk.ReadTransform(str(known)), path)


def write_itk_affine(transform: AffineTransform, path: Path) -> None:
    """Write in the form that the ending of `path` tells; not atomic.

    Raises
    ------
    OSError
        If the folder refuses it or the disk is full.
    """
    import SimpleITK as sitk

    path.touch()  # what the system refuses it says itself, ITK only that it failed

    matrix = LPS @ transform.matrix @ LPS
    written = sitk.AffineTransform(3)
    written.SetMatrix(matrix[:3, :3].ravel().tolist())
    written.SetTranslation(matrix[:3, 3].tolist())
    with _known_to_itk(path) as known:
        try:
            sitk.WriteTransform(written, str(known))
            # ITK is content with a short write, and with a file that it left empty.
            again = sitk.ReadTransform(str(known))
            whole = np.allclose(again.GetParameters(), written.GetParameters())
        except RuntimeError:
            whole = False
    if not whole:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


@contextmanager
def _known_to_itk(path: Path) -> Iterator[Path]:
    """Another name of the file where its ending has capitals, of which ITK knows none."""
    if path.suffix.islower():
        yield path
        return
    with TemporaryDirectory() as folder:
        known = Path(folder) / f"transform{path.suffix.lower()}"
        known.symlink_to(path.resolve())
        yield known


def _check_whole(path: Path) -> None:
    """Refuse a text whose end is missing: ITK reads it without an error, as the identity."""
    lines = path.read_text(encoding="utf-8").splitlines()
    transforms = sum(
        line.startswith("Transform:") and "CompositeTransform" not in line for line in lines
    )
    if transforms > sum(line.startswith("FixedParameters:") for line in lines):
        raise InputError(
            f"{path}: expected FixedParameters for each of {transforms} transforms, found that "
            "the file ends before; it is truncated, so fetch it or write it again."
        )


def _converted(transform: sitk.Transform, path: Path) -> Transform:
    import SimpleITK as sitk

    if transform.GetDimension() != 3:
        raise InputError(
            f"{path}: expected a transform of 3-D space, found one of {transform.GetDimension()}-D;"
            " give the one between the two volumes."
        )
    transform = transform.Downcast()
    composite = isinstance(transform, sitk.CompositeTransform)
    parts = transform.GetNumberOfTransforms() if composite else 1
    if not parts:
        raise InputError(f"{path}: expected a transform, found an empty composite; check it.")
    # Before composites are opened: SimpleITK has a composite for linear transforms that it does
    # not know, such as ANTs' MatrixOffsetTransformBase, and in it the same again.
    if transform.IsLinear():
        return _affine(transform)
    if composite:
        # ITK applies the transform that was added last first.
        members = [_converted(transform.GetNthTransform(i), path) for i in reversed(range(parts))]
        return members[0] if parts == 1 else Chain(members)
    if isinstance(transform, sitk.DisplacementFieldTransform):
        return _dense(transform.GetDisplacementField())
    raise InputError(
        f"{path}: expected an affine transform or a displacement field, found "
        f"{transform.GetName()}; convert it to a displacement field with its own tool."
    )


def _affine(transform: sitk.Transform) -> AffineTransform:
    """Matrix of a linear transform, from where it takes the origin and the unit points.

    So all of ITK's linear transforms are read alike, whatever their parameters and centre.
    """
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    matrix[:3, 3] = origin
    for axis, unit in enumerate(np.eye(3)):
        # Far points: differences of large translations keep their digits.
        there = np.array(transform.TransformPoint((1e3 * unit).tolist()))
        matrix[:3, axis] = (there - origin) / 1e3
    return AffineTransform(LPS @ matrix @ LPS)


def _dense(field: sitk.Image) -> DenseTransform:
    import SimpleITK as sitk

    if not all(field.GetSize()):
        raise InputError("expected a displacement field, found one without voxels; check the file.")
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(field.GetDirection(), (3, 3)) * field.GetSpacing()
    affine[:3, 3] = field.GetOrigin()
    # SimpleITK's arrays are indexed (z, y, x, component).
    values = sitk.GetArrayFromImage(field).transpose(2, 1, 0, 3)
    return DenseTransform(values * np.diag(LPS)[:3], LPS @ affine)
