"""Warping, integration and resizing of dense fields: pure functions on tensors, 2D and 3D."""

from pmrnet.spatial.affine_sampling import sample_affine
from pmrnet.spatial.halving import halve
from pmrnet.spatial.integration import compose, integrate
from pmrnet.spatial.resizing import stretch_field, upsample, upsample_field
from pmrnet.spatial.warping import warp

__all__ = [
    "compose",
    "halve",
    "integrate",
    "sample_affine",
    "stretch_field",
    "upsample",
    "upsample_field",
    "warp",
]
