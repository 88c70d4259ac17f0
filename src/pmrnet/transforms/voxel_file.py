"""Displacements in voxels, as VoxelMorph and the networks of this package have them.

An ``.npz`` file with three arrays: ``displacement`` (X, Y, Z, 3), float32, in voxels of the fixed
grid and in the order of its axes; ``affine``, the 4x4 matrix from voxel indices of that grid to RAS
mm; and ``shape``, (X, Y, Z). The point at voxel p of the fixed grid goes to the one at p + u(p), in
indices of the fixed grid too: where the moving image has another grid, resample it onto the fixed
one by its header first, or multiply by the affines.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pmrnet.errors import InputError
from pmrnet.transforms.dense import DenseTransform
from pmrnet.transforms.reading import explained_reading
from pmrnet.transforms.transform import check_grid

_NAMES = ("displacement", "affine", "shape")


def read_voxel_file(path: Path) -> DenseTransform:
    """Read displacements in voxels.

    Raises
    ------
    InputError
        If the file is missing or damaged, an array is absent, of another shape or not finite.
    """
    with explained_reading(path, "a displacement field in voxels"):
        with np.load(path, allow_pickle=False) as content:
            if missing := [name for name in _NAMES if name not in content.files]:
                raise InputError(
                    f"{path}: expected the arrays {', '.join(_NAMES)}, found no "
                    f"{' and no '.join(missing)}; write the file with the format voxel."
                )
            field, affine, shape = (content[name] for name in _NAMES)
        expected = (*(int(n) for n in np.ravel(shape)), 3)
        if field.shape != expected or field.dtype.kind != "f":
            raise InputError(
                f"{path}: expected a real displacement of shape {expected}, as its entry 'shape' "
                f"says, found {field.shape} of type {field.dtype}; write the file again."
            )
        _, affine = check_grid(field.shape, affine, "displacement")
        return DenseTransform(field @ affine[:3, :3].T, affine)


def write_voxel_file(transform: DenseTransform, path: Path) -> None:
    """Write displacements in voxels of the transform's own grid; not atomic."""
    to_voxels = np.linalg.inv(transform.affine[:3, :3])
    with path.open("wb") as stream:  # to a name, NumPy would add its own ending to .NPZ
        np.savez_compressed(
            stream,
            displacement=(transform.displacement @ to_voxels.T).astype(np.float32),
            affine=transform.affine,
            shape=np.array(transform.shape),
        )
