"""Resampling an image by a transform, interpolating once."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pmrnet.data.extent import extent
from pmrnet.errors import InputError
from pmrnet.transforms.labels import image_name, image_values
from pmrnet.transforms.sampled_voxels import sampled_voxels
from pmrnet.transforms.transform import Grid, Transform, check_grid

# Nearest neighbour, linear and cubic spline.
_ORDERS = (0, 1, 3)
# Fields of a NIfTI header that place its voxels, and those that say how to show their values.
_PLACE = (
    *("qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("sform_code", "srow_x", "srow_y", "srow_z"),
)
_SHOWN = (
    *("intent_code", "intent_p1", "intent_p2", "intent_p3", "intent_name"),
    *("cal_min", "cal_max", "descrip"),
)
# Bits of the header's xyzt_units.
_SPACE_UNIT, _TIME_UNIT = 0x07, 0x38


def apply_to_image(
    transform: Transform, image: Grid, reference: Grid, order: int = 1, fill: float = 0
) -> nib.Nifti1Image:
    """Resample the moving image onto the grid of the fixed one.

    Parameters
    ----------
    transform
        From points of the fixed to points of the moving space.
    image
        Moving image: a `Volume` or nibabel image of shape (X, Y, Z[, ...]); what follows the third
        axis is resampled volume by volume.
    reference
        Fixed image: a `Volume` or nibabel image. Its grid, qform, sform, their codes and its units
        are those of the result.
    order
        0 for the nearest voxel, halves up as in ITK: for labels, whose values stay exactly what
        they are. 1 for linear and 3 for cubic spline interpolation.
    fill
        Value of voxels whose point lies outside the moving image, that is more than half a voxel
        from its outer voxel centres.

    Returns
    -------
    nibabel.Nifti1Image
        In the data type of the moving image; integers are rounded and clipped to their range.
        Integers that their header scales become the floats that they stand for, since nibabel
        would choose another scale for them on writing.

    Raises
    ------
    InputError
        If the image or the reference is not 3-D, the image is not real, the order is another one,
        or the data type cannot hold `fill`.
    """
    if order not in _ORDERS:
        raise InputError(
            f"Interpolation: expected the order 0, 1 or 3, found {order}; choose one of them."
        )
    shape, affine = check_grid(
        reference.shape, reference.affine, image_name(reference, "Reference image")
    )
    name = image_name(image, "Moving image")
    grid, moving_affine = check_grid(image.shape, image.affine, name)
    values = image_values(image)
    if values.dtype.kind not in "biuf":
        raise InputError(
            f"{name}: expected one real number per voxel, found {values.dtype}; split it into "
            "scalar images."
        )
    dtype = _kept_type(image, values)
    _check_fill(fill, dtype, name)
    # In a form that SciPy takes; it would swap bytes anew for every slab.
    values = values.astype(dtype, copy=False)
    volumes = values.reshape(*grid, -1)
    if order > 1:
        volumes = _spline_coefficients(volumes)
    result = np.full((*shape, volumes.shape[3]), fill, dtype)
    content = _Content.of(volumes) if order < 2 and fill == 0 else None
    for part, at in sampled_voxels(transform, shape, affine, np.linalg.inv(moving_affine)):
        if content is not None:
            near = content.box(at)
            if near is None:
                continue
            at = at[(slice(None), *near)]
            part = tuple(
                slice(p.indices(n)[0] + b.start, p.indices(n)[0] + b.stop)
                for p, b, n in zip(part, near, shape, strict=True)
            )
        inside = np.ones(at.shape[1:], bool)
        for axis, size in enumerate(grid):
            inside &= (at[axis] >= -0.5) & (at[axis] < size - 0.5)
        if content is not None:
            inside &= content.reaches(at)
        at = at[:, inside]
        for number in range(volumes.shape[3]):
            result[(*part, number)][inside] = _sample(volumes[..., number], at, order, dtype)
    return _on_reference(result.reshape(*shape, *values.shape[3:]), image, reference)


def _sample(volume: NDArray, at: NDArray, order: int, dtype: np.dtype) -> NDArray:
    """Values at points (3, n) inside of the volume."""
    if order == 0:
        return volume[tuple(np.floor(at + 0.5).astype(np.intp))]
    # "mirror" is what the coefficients were made with; only points of the outer half voxel are
    # moved, to its edge.
    clipped = np.stack([np.clip(a, 0, n - 1.0) for a, n in zip(at, volume.shape, strict=True)])
    values = ndimage.map_coordinates(
        volume, clipped, output=np.float64, order=order, mode="mirror", prefilter=False
    )
    if dtype.kind in "iu":
        values = np.clip(np.rint(values), *_float_limits(dtype))
    return values


@dataclass(frozen=True, eq=False)
class _Content:
    """Where an image is not 0: skull-stripped ones are mostly air, where nothing is sampled.

    Attributes
    ----------
    first, last
        Of the voxels that are not 0, along each axis.
    cells
        Whether one of the eight voxels from this one on is not 0; of the image's shape.
    """

    first: tuple[int, ...]
    last: tuple[int, ...]
    cells: NDArray[np.bool_]

    @classmethod
    def of(cls, volumes: NDArray) -> _Content:
        filled = np.ascontiguousarray(volumes.any(axis=3))
        first, last = extent(filled) or ((0, 0, 0), (-3, -3, -3))  # else near no point
        for axis in range(3):
            lower = tuple(slice(None, -1 if a == axis else None) for a in range(3))
            upper = tuple(slice(1 if a == axis else None, None) for a in range(3))
            filled[lower] |= filled[upper]
        return cls(tuple(first), tuple(last), filled)

    def box(self, at: NDArray) -> tuple[slice, slice, slice] | None:
        """Box of the points (3, *grid) in reach of the content's own box."""
        near = np.ones(at.shape[1:], bool)
        for along, first, last in zip(at, self.first, self.last, strict=True):
            near &= (along > first - 1) & (along < last + 1)
        ends = extent(near)
        return None if ends is None else tuple(map(slice, ends[0], ends[1] + 1))

    def reaches(self, at: NDArray) -> NDArray[np.bool_]:
        """Whether content contributes to the values at points (3, *grid)."""
        cell = 0
        for along, size in zip(at, self.cells.shape, strict=True):
            cell = cell * size + np.clip(along, 0, size - 1).astype(np.intp)
        return self.cells.reshape(-1)[cell]


def _kept_type(image: Grid, values: NDArray) -> np.dtype:
    """Data type of the result: that of the moving image where NIfTI and SciPy have it."""
    dtype = values.dtype
    if nib.is_proxy(getattr(image, "dataobj", None)) and dtype.kind == "f":
        # nibabel computes scaled values in double precision, whatever they are stored as.
        stored = image.get_data_dtype()
        small = stored.itemsize <= (4 if stored.kind == "f" else 2)
        dtype = np.dtype(np.float32 if small else np.float64)
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind == "f":
        return np.dtype(np.float32 if dtype.itemsize <= 4 else np.float64)
    return dtype.newbyteorder("=")


def _check_fill(fill: float, dtype: np.dtype, name: str) -> None:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not (limits.min <= fill <= limits.max and fill == np.rint(fill)):
            raise InputError(
                f"{name}: expected a fill value that its type {dtype} can hold, found {fill:g}; "
                "choose another one."
            )


def _float_limits(dtype: np.dtype) -> tuple[float, float]:
    """Range of an integer type in floats: the largest of 64 bits would round up beyond it."""
    limits = np.iinfo(dtype)
    top = float(limits.max)
    return float(limits.min), top if int(top) == limits.max else np.nextafter(top, 0)


def _spline_coefficients(volumes: NDArray) -> NDArray[np.float64]:
    coefficients = np.empty(volumes.shape)
    for number in range(volumes.shape[3]):
        coefficients[..., number] = ndimage.spline_filter(volumes[..., number], mode="mirror")
    return coefficients


def _on_reference(data: NDArray, image: Grid, reference: Grid) -> nib.Nifti1Image:
    """Image with the grid of the reference, and what the moving image's header says of values."""
    header = nib.Nifti1Header()
    header.set_data_shape(data.shape)
    header.set_data_dtype(data.dtype)
    header.set_xyzt_units("mm")
    own = getattr(image, "header", None)
    given = getattr(reference, "header", None)
    if isinstance(own, nib.Nifti1Header):
        for field in _SHOWN:
            header[field] = own[field]
        if data.ndim > 3:
            header["pixdim"][4 : 1 + data.ndim] = own["pixdim"][4 : 1 + data.ndim]
            time = int(own["xyzt_units"]) & _TIME_UNIT
            header["xyzt_units"] = int(header["xyzt_units"]) | time
    if isinstance(given, nib.Nifti1Header):
        header["pixdim"][:4] = given["pixdim"][:4]
        for field in _PLACE:
            header[field] = given[field]
        space = int(given["xyzt_units"]) & _SPACE_UNIT
        header["xyzt_units"] = space | int(header["xyzt_units"]) & _TIME_UNIT
    else:
        # The qform stays unset; this gives the voxel sizes, which an sform does not.
        header.set_qform(reference.affine, code=0)
        header.set_sform(reference.affine, code=2)
    # The affine is what the header says, so that nibabel leaves the codes as they are, 0 included.
    return nib.Nifti1Image(data, reference.affine, header)
