"""X5, the HDF5 format of BIDS transforms, by nitransforms."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pmrnet import __version__
from pmrnet.errors import InputError
from pmrnet.transforms.affine import AffineTransform
from pmrnet.transforms.chain import voxel_centres
from pmrnet.transforms.dense import DenseTransform
from pmrnet.transforms.reading import explained_reading
from pmrnet.transforms.transform import Transform

_KINDS = ("space", "space", "space", "vector")


def read_x5(path: Path) -> Transform:
    """Read an affine transform or a dense field, of displacements or of coordinates.

    Raises
    ------
    InputError
        If the file is missing or damaged, or holds several transforms or one of another kind.
    """
    from nitransforms.io import x5  # slow to import

    with explained_reading(path, "a transform in X5"):
        nodes = x5.from_filename(path)
        if len(nodes) != 1 or nodes[0].array_length != 1:
            raise InputError(
                f"{path}: expected one transform, found a file of "
                f"{len(nodes) if len(nodes) != 1 else nodes[0].array_length}; save the one that is "
                "meant in a file of its own."
            )
        node = nodes[0]
        if node.type == "linear":
            return AffineTransform(node.transform)
        field, kind = node.transform, node.representation
        if node.domain is None or kind not in ("displacements", "deformations"):
            raise InputError(
                f"{path}: expected an affine transform or a dense field with its grid, found "
                f"{node.type} {kind}; convert it to a displacement field with its own tool."
            )
        if kind == "deformations":
            every = slice(0, field.shape[2])
            field = field - voxel_centres(field.shape[:3], node.domain.mapping, every)
        return DenseTransform(field, node.domain.mapping)


def write_x5(transform: AffineTransform | DenseTransform, path: Path) -> None:
    """Write as nitransforms does: RAS mm, from the fixed to the moving space; not atomic."""
    from nitransforms.io import x5

    metadata = {"WrittenBy": f"pmrnet {__version__}"}
    if isinstance(transform, AffineTransform):
        node = x5.X5Transform(
            type="linear",
            subtype="affine",
            representation="matrix",
            metadata=metadata,
            transform=transform.matrix,
            dimension_kinds=_KINDS,
        )
    else:
        node = x5.X5Transform(
            type="nonlinear",
            subtype="densefield",
            representation="displacements",
            metadata=metadata,
            transform=np.ascontiguousarray(transform.displacement),
            dimension_kinds=_KINDS,
            domain=x5.X5Domain(
                grid=True,
                size=transform.shape,
                mapping=transform.affine,
                coordinates="cartesian",
            ),
        )
    x5.to_filename(path, [node])
