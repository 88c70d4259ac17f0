"""The three planes of a report: which slices it shows, cut how, and where left is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pmrnet.data.extent import extent
from pmrnet.report.content import ReportContent

SLICES = 24
"""Slices of each plane, evenly spaced through the brain."""

# Around the brain, in voxels, so that its edge is seen.
_MARGIN = 4

_NAMES = ("sagittal", "coronal", "axial")
_LETTERS = "xyz"
# What lies at the low and the high end of x, y and z.
_ENDS = (("L", "R"), ("P", "A"), ("I", "S"))


@dataclass(frozen=True, eq=False)
class Plane:
    """Parallel slices of a volume, as they are looked at.

    Parameters
    ----------
    axis
        The axis (0, 1 or 2) that the slices are perpendicular to.
    slabs
        For each slice the first voxel along `axis` that it stands for, and the last plus one; it
        is cut in the middle. Together they cover the brain.
    box
        For every axis the range of voxels that is shown.
    affine
        4x4 voxel-to-RAS matrix of the grid, mm, with the axes of RAS+ space.
    mirrored
        Whether the brain's left is on the picture's right.
    """

    axis: int
    slabs: tuple[tuple[int, int], ...]
    box: tuple[slice, slice, slice]
    affine: NDArray
    mirrored: bool

    @property
    def name(self) -> str:
        """``axial``, ``coronal`` or ``sagittal``."""
        return _NAMES[self.axis]

    @property
    def axes(self) -> tuple[int, int]:
        """The axes that run across and up the picture."""
        across, up = (axis for axis in range(3) if axis != self.axis)
        return across, up

    @property
    def marks(self) -> dict[str, str]:
        """Letters for the ``left``, ``right``, ``top`` and ``bottom`` edge of the picture."""
        (left, right), (bottom, top) = (_ENDS[axis] for axis in self.axes)
        if self._flipped:
            left, right = right, left
        return {"left": left, "right": right, "top": top, "bottom": bottom}

    @property
    def aspect(self) -> float:
        """Width of the picture over its height, in mm."""
        across, up = (
            (self.box[axis].stop - self.box[axis].start) * self.affine[axis, axis]
            for axis in self.axes
        )
        return float(across / up)

    @property
    def titles(self) -> list[str]:
        """For each slice where it lies, for example ``z = 12 mm``."""
        step, start = self.affine[self.axis, self.axis], self.affine[self.axis, 3]
        letter = _LETTERS[self.axis]
        # Adding 0 makes a rounded -0 a 0.
        return [f"{letter} = {round(start + step * at) + 0} mm" for at in self._cuts]

    def slices(self, volume: NDArray) -> NDArray:
        """Cut a volume (X, Y, Z, ...) into pictures (slices, rows, columns, ...), top row first."""
        index = list(self.box)
        index[self.axis] = self._cuts
        return self._pictures(np.asarray(volume)[tuple(index)])

    def anywhere(self, mask: NDArray) -> NDArray:
        """Project a mask (X, Y, Z): where it is true anywhere in the slab of each slice."""
        slabs = []
        for first, end in self.slabs:
            index = list(self.box)
            index[self.axis] = slice(first, end)
            slabs.append(mask[tuple(index)].any(axis=self.axis))
        return self._pictures(np.stack(slabs, axis=self.axis))

    @property
    def _flipped(self) -> bool:
        return self.mirrored and self.axes[0] == 0

    @property
    def _cuts(self) -> list[int]:
        return [(first + end) // 2 for first, end in self.slabs]

    def _pictures(self, cut: NDArray) -> NDArray:
        # To (slices, up, across, ...), then up from the bottom.
        across, up = self.axes
        order = (self.axis, up, across, *range(3, cut.ndim))
        pictures = cut.transpose(order)[:, ::-1]
        return pictures[:, :, ::-1] if self._flipped else pictures


def choose_planes(content: ReportContent, mirrored: bool = False) -> tuple[Plane, ...]:
    """Axial, coronal and sagittal slices through everything that the images show.

    Parameters
    ----------
    content
        The registration.
    mirrored
        Whether left is to be on the right, as radiologists look at it.
    """
    shown = content.brain | (np.asarray(content.moving) != 0) | (np.asarray(content.moved) != 0)
    ends = [(int(first), int(last) + 1) for first, last in zip(*extent(shown), strict=True)]
    box = tuple(
        slice(max(0, first - _MARGIN), min(size, end + _MARGIN))
        for (first, end), size in zip(ends, shown.shape, strict=True)
    )
    planes = []
    for axis in (2, 1, 0):
        first, end = ends[axis]
        borders = np.linspace(first, end, min(SLICES, end - first) + 1).round().astype(int).tolist()
        slabs = tuple(pairwise(borders))
        planes.append(Plane(axis, slabs, box, np.asarray(content.affine, float), mirrored))
    return tuple(planes)
