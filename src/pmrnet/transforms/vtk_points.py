"""Points of legacy VTK files: surfaces, streamlines and meshes.

Only the coordinates are looked at: they stand in one block after a line ``POINTS n type``, as text
or as big-endian numbers, and every other byte of the file is kept. That needs no VTK.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pmrnet.errors import InputError
from pmrnet.transforms.reading import explained_reading

_HEADER = re.compile(
    rb"# vtk DataFile Version [^\n]*\n([^\n]*)\n\s*(ASCII|BINARY)[ \t\r]*\n", re.IGNORECASE
)
_POINTS = re.compile(rb"^POINTS[ \t]+(\d+)[ \t]+(\w+)[ \t\r]*\n", re.IGNORECASE | re.MULTILINE)
_SPACE = re.compile(rb"SPACE=(RAS|LPS)\b", re.IGNORECASE)
_TYPES = {"float": np.dtype(">f4"), "double": np.dtype(">f8")}


@dataclass(frozen=True, eq=False)
class VtkPoints:
    """A legacy VTK file and its points.

    Parameters
    ----------
    points
        Shape (n, 3), mm.
    lps
        Whether they are in LPS instead of RAS.
    content
        The whole file.
    block
        Where in it the coordinates are.
    dtype
        Their type.
    text
        Whether they are text.
    assumed
        What the file leaves open and was assumed.
    """

    points: NDArray[np.float64]
    lps: bool
    content: bytes
    block: slice
    dtype: np.dtype
    text: bool
    assumed: str | None

    @classmethod
    def read(cls, path: Path, lps: bool) -> VtkPoints:
        """Read a file of any data set that lists its points.

        Raises
        ------
        InputError
            If the file is missing, truncated or no legacy VTK file, lists no points, one of them is
            not finite, or the file says that they are in RAS and LPS is asked for.
        """
        with explained_reading(path, "a legacy VTK file"):
            content = path.read_bytes()
            header = _HEADER.match(content)
            found = header and _POINTS.search(content, header.end())
            if not found or found[2].decode().lower() not in _TYPES:
                what = "another file" if not header else "no list of points of type float or double"
                raise InputError(
                    f"{path}: expected a legacy VTK file (.vtk) with points, found {what}; "
                    "convert it to legacy poly data."
                )
            count, dtype = int(found[1]), _TYPES[found[2].decode().lower()]
            text = header[2].upper() == b"ASCII"
            block = _block(content, found.end(), count, None if text else dtype)
            if block is None:
                raise InputError(
                    f"{path}: expected {count} points, found fewer numbers; the file is truncated, "
                    "so fetch it or write it again."
                )
            raw = content[block]
            numbers = np.array(raw.split(), float) if text else np.frombuffer(raw, dtype)
            points = numbers.astype(np.float64).reshape(-1, 3)
            if not np.isfinite(points).all():
                raise InputError(
                    f"{path}: expected finite points, found NaN or infinity; make the file again."
                )
        space = _SPACE.search(header[1])
        assumed = None
        if space:
            stated = space[1].upper() == b"LPS"
            if lps and not stated:
                raise InputError(
                    f"{path}: expected points in LPS as asked for, found that the file says "
                    "SPACE=RAS; leave the option out."
                )
            lps = stated
        elif not lps:
            assumed = "it does not say its space, so its points are taken for RAS mm"
        return cls(points, lps, content, block, dtype, text, assumed)

    def write(self, path: Path, points: NDArray[np.float64]) -> None:
        """Write the file with other points."""
        if self.text:
            digits = 9 if self.dtype.itemsize == 4 else 17
            rows = (" ".join(f"{value:.{digits}g}" for value in point) for point in points)
            block = "\n".join(rows).encode("ascii")
        else:
            block = points.astype(self.dtype).tobytes()
        path.write_bytes(self.content[: self.block.start] + block + self.content[self.block.stop :])


def _block(content: bytes, start: int, count: int, dtype: np.dtype | None) -> slice | None:
    """Where the coordinates are, binary or (no type) as text; None if there are too few."""
    if dtype is not None:
        stop = start + 3 * count * dtype.itemsize
        return slice(start, stop) if stop <= len(content) else None
    words = list(islice(re.compile(rb"\S+").finditer(content, start), 3 * count))
    if len(words) < 3 * count:
        return None
    return slice(words[0].start(), words[-1].end()) if words else slice(start, start)
