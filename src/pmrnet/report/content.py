"""What a report shows: arrays on one grid, names, numbers and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pmrnet.data.placement import check_affine
from pmrnet.errors import InputError

# Of a grid's axes, in units of the voxel size: how far they may be off RAS+. Rounding stays below.
_TILT = 1e-3


@dataclass(frozen=True, eq=False, kw_only=True)
class ReportContent:
    """One registration, on a grid of the fixed space that `pmrnet.report.display_grid` makes.

    All arrays are indexed (x, y, z) and have one shape (X, Y, Z), unless said otherwise.

    Parameters
    ----------
    fixed
        Fixed image; the brain is where it is not 0.
    moving
        Moving image resampled by the headers or the affine alignment alone: the state before.
    moved
        Moving image after the registration.
    displacement
        Array (X, Y, Z, 3) in RAS mm, the deformation beyond that affine part: the moved image at
        the point p is what `moving` shows at p + u(p).
    jacobian
        Determinant of the Jacobian of p + u(p).
    affine
        4x4 voxel-to-RAS matrix of the grid, mm; its axes are those of RAS+ space.
    fixed_name, moving_name
        What the images are called, for example their files' names.
    difference_before, difference_after
        Fixed minus moving and fixed minus moved, in one unit; both or neither. If None they are
        taken of the images as they are shown, that is, each scaled to its own range.
    uncertainty
        Standard deviation of the displacement in mm; None if the method has none.
    fixed_labels, moving_labels, moved_labels
        Integer label maps, 0 is background; the moving ones before and after, either may be None.
    label_names
        Names of labels; the others go by their number.
    metrics
        Numbers from elsewhere, by name. Those of `pmrnet.report.measure` are replaced by a value of
        the same name, for example one that was measured on a finer grid.
    warnings
        Sentences for the top of the report, for example of `pmrnet.report.quality_warnings`.
    provenance
        Package version, weights, files, seconds, machine and so on; mappings may be nested.

    Raises
    ------
    InputError
        If an array has another shape, is not of the right kind or not finite, if the fixed image
        is 0 everywhere, or if the grid's axes are not those of RAS+ space.
    """

    fixed: NDArray
    moving: NDArray
    moved: NDArray
    displacement: NDArray
    jacobian: NDArray
    affine: NDArray
    fixed_name: str
    moving_name: str
    difference_before: NDArray | None = None
    difference_after: NDArray | None = None
    uncertainty: NDArray | None = None
    fixed_labels: NDArray | None = None
    moving_labels: NDArray | None = None
    moved_labels: NDArray | None = None
    label_names: Mapping[int, str] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = np.shape(self.fixed)
        if len(shape) != 3 or min(shape) < 2:
            raise InputError(
                "Report: expected a fixed image of shape (X, Y, Z), two or more voxels along every "
                f"axis, found {shape}; give one 3D image."
            )
        for name in _IMAGES:
            _check_array(name, getattr(self, name), shape, "biuf")
        for name in _LABELS:
            _check_array(name, getattr(self, name), shape, "iu")
        _check_array("displacement", self.displacement, (*shape, 3), "iuf")
        if (self.difference_before is None) != (self.difference_after is None):
            raise InputError(
                "Report: expected the differences before and after, or neither, found one of them; "
                "give the other one, too."
            )
        if not np.any(self.fixed):
            raise InputError(
                "Report: expected a fixed image with a brain in it, found only zeros; check the "
                "image and the grid."
            )
        matrix = check_affine(self.affine, "Report")
        spacing = np.linalg.norm(matrix[:3, :3], axis=0)
        if not np.allclose(matrix[:3, :3] / spacing, np.eye(3), atol=_TILT):
            raise InputError(
                "Report: expected a grid whose axes point to the right, the front and the top, "
                f"found {matrix.tolist()}; resample with pmrnet.report.to_display_grid."
            )

    @property
    def brain(self) -> NDArray:
        """Where the fixed brain is, bool (X, Y, Z)."""
        return np.asarray(self.fixed) != 0

    @property
    def spacing(self) -> NDArray:
        """Voxel size along x, y and z in mm, shape (3,)."""
        return np.linalg.norm(np.asarray(self.affine, float)[:3, :3], axis=0)


_IMAGES = (
    "fixed",
    "moving",
    "moved",
    "jacobian",
    "difference_before",
    "difference_after",
    "uncertainty",
)
_OPTIONAL = {"difference_before", "difference_after", "uncertainty"}
_LABELS = ("fixed_labels", "moving_labels", "moved_labels")


def _check_array(name: str, array: NDArray | None, shape: tuple[int, ...], kinds: str) -> None:
    if array is None and (name in _OPTIONAL or name in _LABELS):
        return
    array = np.asarray(array)
    what = name.replace("_", " ")
    if array.shape != shape:
        raise InputError(
            f"Report, {what}: expected the shape {shape}, found {array.shape}; bring all arrays to "
            "one grid."
        )
    if array.dtype.kind not in kinds:
        kind = "integers" if kinds == "iu" else "real numbers"
        raise InputError(f"Report, {what}: expected {kind}, found {array.dtype}; convert them.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = np.count_nonzero(~np.isfinite(array))
        raise InputError(
            f"Report, {what}: expected finite values, found {count} that are NaN or infinite; "
            "find out where they come from."
        )
