"""Spatial transforms as objects and as files, applied to images and to points.

Conventions, everywhere in this package:

- A transform T takes points of the FIXED space to points of the MOVING space: x_moving =
  T(x_fixed), both in RAS+ millimetres as the affine of a NIfTI header gives them. It is the
  direction in which an image is resampled: moved(p) = moving(T(p)).
- Points, surfaces and streamlines of the moving anatomy therefore go to the fixed space by the
  INVERSE transform. A registration writes both: ``forward.nii.gz`` is T and resamples the moving
  image, ``inverse.nii.gz`` resamples the fixed image and moves points of the moving one.
- A dense transform holds displacements: T(p) = p + d(p), d in millimetres, interpolated linearly
  between the voxel centres of its grid. Beyond the grid the nearest value at its edge is taken. ITK
  takes the identity there, so that the two differ outside of the grid and agree inside.
- In a chain the first member is nearest to the fixed image: T(x) = t_n(... t_2(t_1(x))).
- ITK's files hold the same direction in LPS millimetres: x and y change sign.

Nothing here imports a deep-learning framework.
"""

from pmrnet.transforms.affine import AffineTransform
from pmrnet.transforms.affine_part import extended
from pmrnet.transforms.apply import apply_to_image
from pmrnet.transforms.chain import Chain, joined, to_dense
from pmrnet.transforms.dense import DenseTransform
from pmrnet.transforms.files import FORMATS, check_target, read, write
from pmrnet.transforms.inversion import check_tolerance, inverse_of, invert, round_trip_error
from pmrnet.transforms.jacobian import jacobian_determinant
from pmrnet.transforms.labels import check_labels, looks_like_labels
from pmrnet.transforms.members import (
    Member,
    known_grids,
    load_chain,
    load_member,
    load_written_inverse,
    named_inverse,
    parse_member,
)
from pmrnet.transforms.points import MovedPoints, move_points_file
from pmrnet.transforms.transform import Grid, Transform

__all__ = [
    "FORMATS",
    "AffineTransform",
    "Chain",
    "DenseTransform",
    "Grid",
    "Member",
    "MovedPoints",
    "Transform",
    "apply_to_image",
    "check_labels",
    "check_target",
    "check_tolerance",
    "extended",
    "inverse_of",
    "invert",
    "jacobian_determinant",
    "joined",
    "known_grids",
    "load_chain",
    "load_member",
    "load_written_inverse",
    "looks_like_labels",
    "move_points_file",
    "named_inverse",
    "parse_member",
    "read",
    "round_trip_error",
    "to_dense",
    "write",
]
