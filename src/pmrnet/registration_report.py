"""From a registration in native space to what its report shows."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from pmrnet.data.label_names import label_names
from pmrnet.data.volume import Volume
from pmrnet.report import (
    DisplayGrid,
    ReportContent,
    display_grid,
    quality_warnings,
    to_display_grid,
)
from pmrnet.transforms import (
    AffineTransform,
    DenseTransform,
    apply_to_image,
)

if TYPE_CHECKING:
    from pmrnet.transforms.transform import Grid

# Voxels beyond the report's grid that its values may depend on, in units of a coarser grid's
# smoothing or of one voxel: interpolation, differences, and the tails of the smoothing.
_REACH = 3


@dataclass(frozen=True, eq=False, kw_only=True)
class NativeResult:
    """A registration in native space, from memory or from its folder.

    Attributes
    ----------
    fixed, moving
        The brains, zero outside.
    forward, affine
        Transform from fixed to moving space and its affine part; RAS mm.
    jacobian
        Determinant of the forward transform's Jacobian on the fixed grid.
    uncertainty
        Standard deviation of the displacement in mm on the fixed grid; None if there is none.
    labels
        From `pmrnet.registration_labels.move_labels`.
    names
        File names of the images by their roles.
    metrics
        Numbers that are measured in native space.
    provenance
        Where it comes from.
    """

    fixed: Volume
    moving: Volume
    forward: DenseTransform
    affine: AffineTransform
    jacobian: Grid
    uncertainty: Grid | None
    names: Mapping[str, str]
    labels: Mapping[str, nib.Nifti1Image] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)


def report_content(result: NativeResult) -> ReportContent:
    """Bring everything to the report's grid."""
    grid = display_grid(result.fixed)

    def shown(image: Grid, **options: Any) -> NDArray:
        return to_display_grid(image, grid, **options)

    # What the report does not show is not computed: most of a native grid is air.
    part = _covering(grid, result.fixed)
    here = Volume(result.fixed.data[part], _shifted(result.fixed.affine, part))
    forward = DenseTransform(result.forward.displacement[part], here.affine)
    size = np.float32(np.linalg.det(result.affine.matrix[:3, :3]))

    def moved_by(transform: DenseTransform | AffineTransform) -> nib.Nifti1Image:
        return apply_to_image(transform, result.moving, here)

    def beyond_affine() -> NDArray:
        beyond = _beyond_affine(forward, result.affine)
        return shown(nib.Nifti1Image(beyond.displacement, here.affine), fill=None)

    # Most of it is the work of libraries that leave Python to others meanwhile.
    with ThreadPoolExecutor(max_workers=2) as pool:
        making = {
            "fixed": pool.submit(lambda: shown(result.fixed)),
            "moving": pool.submit(lambda: shown(moved_by(result.affine))),
            "moved": pool.submit(lambda: shown(moved_by(forward))),
            "displacement": pool.submit(beyond_affine),
            # Beyond the affine part, too: a difference of size is no deformation.
            "jacobian": pool.submit(lambda: shown(result.jacobian, fill=size) / size),
        }
    arrays = {name: made.result() for name, made in making.items()}
    spacing = np.linalg.norm(grid.affine[:3, :3], axis=0)
    labels = {"fixed_labels": "fixed", "moving_labels": "before", "moved_labels": "moved"}
    return ReportContent(
        **arrays,
        affine=grid.affine,
        fixed_name=Path(result.names["fixed"]).name,
        moving_name=Path(result.names["moving"]).name,
        uncertainty=None if result.uncertainty is None else shown(result.uncertainty, fill=None),
        **{
            key: shown(result.labels[name], order=0)
            for key, name in labels.items()
            if name in result.labels
        },
        label_names=_names_of_labels(result),
        metrics=result.metrics,
        warnings=[
            *assumptions(fixed=result.fixed, moving=result.moving),
            *quality_warnings(
                **arrays, spacing=spacing, folded=result.metrics.get("folding_fraction")
            ),
        ],
        provenance=result.provenance,
    )


def _names_of_labels(result: NativeResult) -> dict[int, str]:
    """Names of the fixed image's labels where their numbers tell whose they are, else none."""
    if "fixed_labels" not in result.labels:
        return {}
    found = np.unique(np.asanyarray(result.labels["fixed_labels"].dataobj))
    names, whose = label_names([int(label) for label in found if label])
    return {} if whose is None else names


def assumptions(**brains: Volume) -> list[str]:
    """What the files of the images leave open, a sentence for each; named ``fixed``, ``moving``."""
    return [
        f"The {role} image: {brain.assumed}; if that is wrong, left and right may be swapped."
        for role, brain in brains.items()
        if brain.assumed is not None
    ]


def _covering(grid: DisplayGrid, fixed: Volume) -> tuple[slice, slice, slice]:
    """Part of the fixed grid that the report's values depend on."""
    corners = list(product(*[(0, n - 1) for n in grid.shape]))
    at = nib.affines.apply_affine(np.linalg.inv(fixed.affine) @ grid.affine, corners)
    reach = np.ceil(_REACH * np.maximum(1, grid.affine[0, 0] / fixed.spacing))
    low = np.floor(at.min(axis=0)) - reach
    high = np.ceil(at.max(axis=0)) + reach + 1
    ends = zip(np.maximum(low, 0), np.minimum(high, fixed.shape), strict=True)
    return tuple(slice(int(start), int(stop)) for start, stop in ends)


def _shifted(affine: NDArray, part: tuple[slice, slice, slice]) -> NDArray:
    start = np.eye(4)
    start[:3, 3] = [axis.start for axis in part]
    return affine @ start


def _beyond_affine(forward: DenseTransform, affine: AffineTransform) -> DenseTransform:
    """What the forward transform does beyond its affine part, in the fixed space, RAS mm.

    x -> affine^-1 (forward(x)).
    """
    matrix = affine.inverse().matrix
    linear = matrix @ forward.affine - forward.affine
    axes = np.ogrid[tuple(slice(n) for n in forward.shape)]
    components = np.empty((3, *forward.shape), np.float32)
    for row, component in enumerate(components):
        component[...] = linear[row, 3] + sum(linear[row, a] * axes[a] for a in range(3))
        for column in range(3):
            component += np.float32(matrix[row, column]) * forward.displacement[..., column]
    return DenseTransform(np.moveaxis(components, 0, -1), forward.affine)
