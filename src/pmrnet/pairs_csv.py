"""The pairs of a batch, as a CSV file lists them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pmrnet.batch_table import TABLE
from pmrnet.csv_list import check_names, listed_files, read_rows
from pmrnet.data.formats import image_stem

_REQUIRED = ("moving", "fixed")
_FILES = (*_REQUIRED, "moving_labels", "fixed_labels", "moving_mask", "fixed_mask")


@dataclass(frozen=True)
class Pair:
    """Files of one registration, absolute paths; `name` is that of the folder of its results."""

    name: str
    moving: Path
    fixed: Path
    moving_labels: Path | None = None
    fixed_labels: Path | None = None
    moving_mask: Path | None = None
    fixed_mask: Path | None = None


def read_pairs(path: Path) -> list[Pair]:
    """Read and check a list of pairs.

    Parameters
    ----------
    path
        CSV file with the columns moving and fixed and, if wanted, moving_labels, fixed_labels,
        moving_mask, fixed_mask and name. Files are relative to its folder. A pair without a name
        is called ``<moving>_to_<fixed>``.

    Raises
    ------
    InputError
        If it is no such file, a volume is missing, two pairs have one name, or one has that of
        the table of results.
    """
    rows = read_rows(path, _REQUIRED, (*_FILES[2:], "name"))
    files = listed_files(rows, _FILES, path.parent)
    names = [
        row.get("name") or f"{image_stem(own['moving'])}_to_{image_stem(own['fixed'])}"
        for (_, row), own in zip(rows, files, strict=True)
    ]
    check_names(names, [where for where, _ in rows], {TABLE: "the table of results"})
    return [Pair(name, **own) for name, own in zip(names, files, strict=True)]
