"""Tables of points."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pmrnet.errors import InputError
from pmrnet.transforms.reading import explained_reading

_AXES = ("x", "y", "z")
_DELIMITERS = ",;\t"


@dataclass(frozen=True, eq=False)
class CsvPoints:
    """A table with a header line and columns x, y and z among others.

    Parameters
    ----------
    points
        Shape (n, 3), mm.
    lps
        Whether they are in LPS instead of RAS.
    rows
        Cells of all lines that are not empty, the header first.
    columns
        Where x, y and z are.
    delimiter
        What separates the cells.
    assumed
        None: a table leaves nothing open that is not said by `lps`.
    """

    points: NDArray[np.float64]
    lps: bool
    rows: list[list[str]]
    columns: tuple[int, int, int]
    delimiter: str
    assumed: str | None = None

    @classmethod
    def read(cls, path: Path, lps: bool) -> CsvPoints:
        """Read a table separated by commas, semicolons or tabs.

        Raises
        ------
        InputError
            If the file is missing, not text, has not each of x, y and z once in its first line, or
            a line is too short, too long or no number.
        """
        with explained_reading(path, "a table of points"):
            try:
                text = path.read_text(encoding="utf-8-sig")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{path}: expected a table of points in UTF-8, found another encoding "
                    f'(byte {error.start}); save it as "CSV UTF-8".'
                ) from error
            for delimiter in _DELIMITERS:
                reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
                lines = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
                names = [name.strip().lower() for name in lines[0][1]] if lines else []
                if all(names.count(axis) == 1 for axis in _AXES):
                    break
            else:
                found = text.splitlines()[0][:80] if text.strip() else "an empty file"
                raise InputError(
                    f"{path}: expected a first line with each of the columns x, y and z once, "
                    f"found {found!r}; name the columns."
                )
            columns = tuple(names.index(axis) for axis in _AXES)
            points = [_point(path, number, row, names, columns) for number, row in lines[1:]]
        rows = [row for _, row in lines]
        return cls(np.reshape(points, (-1, 3)), lps, rows, columns, delimiter)

    def write(self, path: Path, points: NDArray[np.float64]) -> None:
        """Write the table with other points, to a millionth of a millimetre."""
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, delimiter=self.delimiter, lineterminator="\n")
            writer.writerow(self.rows[0])
            for row, point in zip(self.rows[1:], points, strict=True):
                cells = list(row)
                for column, value in zip(self.columns, point, strict=True):
                    cells[column] = f"{value:.6f}"
                writer.writerow(cells)


def _point(
    path: Path, number: int, row: list[str], names: list[str], columns: tuple[int, ...]
) -> list[float]:
    if len(row) != len(names):
        raise InputError(
            f"{path}, line {number}: expected {len(names)} cells as in the first line, found "
            f"{len(row)}; complete the line."
        )
    cells = [row[column] for column in columns]
    try:
        point = [float(cell) for cell in cells]
    except ValueError:
        point = [np.nan]
    if not np.isfinite(point).all():
        raise InputError(
            f"{path}, line {number}: expected three finite numbers as x, y and z, found "
            f"{', '.join(cells)}; correct the line, with a point as decimal sign."
        )
    return point
