"""The folder of a registration's results, filled and replaced without harm to other files."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pmrnet.data.room import check_room, explained_writing
from pmrnet.errors import InputError
from pmrnet.part_folders import PREFIX, part_path, remove_leftovers

#: the record of a registration, by which its folder is known, and its report
RECORD, REPORT = "metrics.json", "report.html"
# What a record of ours has, and other programs' files of that name have not.
_KEYS = {"metrics", "files", "provenance"}
# Names of results without their endings; other files in the folder are not ours.
_STEMS = {
    *("forward", "inverse", "affine", "jacobian", "uncertainty"),
    *("moved", "moved_back", "moved_labels", "moving_mask", "fixed_mask"),
}
#: endings of images, and of transforms in any of the formats
ENDINGS = (".nii.gz", ".x5", ".npz", ".mat")
# Left by a kill while results were being replaced: what is there is ours and of no use.
_MARKER = ".unfinished"
_PART = ".part-"


def check_folder(folder: Path, overwrite: bool, inputs: Iterable[object] = ()) -> None:
    """Refuse a folder that holds something, unless it is an earlier result to be replaced.

    Parameters
    ----------
    folder
        For the results; it need not be there.
    overwrite
        Whether an earlier result may be replaced. Files in its folder that are not results stay.
    inputs
        What the new results are made of; what is no name of a file does not matter.

    Raises
    ------
    InputError
        If it is a file, cannot be written to, holds other files, holds results and `overwrite` is
        false, or one of the inputs is among the results that would be replaced.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder for the results, found a file; rename it.")
    check_room(folder, 0)
    if not folder.is_dir() or (folder / _MARKER).is_file():
        return
    ours = _is_record(folder / RECORD)
    used = any(not path.name.startswith(_PART) for path in folder.iterdir())
    if used and not (ours and overwrite):
        found = "the results of another registration" if ours else "other files"
        advice = "give another, or say --overwrite" if ours else "give another"
        raise InputError(f"{folder}: expected a new or empty folder, found {found}; {advice}.")
    for path in (Path(given) for given in inputs if isinstance(given, str | os.PathLike)):
        if path.is_file() and _is_result(path) and path.parent.resolve() == folder.resolve():
            raise InputError(
                f"{path}: expected an input that the new results do not replace, found one of the "
                "results in their folder; give another folder, or copy the file elsewhere."
            )


def is_unfinished(folder: Path) -> bool:
    """Whether results in a folder were being replaced when the process was killed, or still are."""
    return (folder / _MARKER).is_file()


@contextmanager
def new_results(folder: Path, overwrite: bool, inputs: Iterable[object] = ()) -> Iterator[Path]:
    """Yield a temporary folder, whose files become those of `folder` when the block ends well.

    Parameters
    ----------
    folder, overwrite, inputs
        As in `check_folder`, which is asked before and, since others may write meanwhile, after.

    Raises
    ------
    InputError
        As `check_folder`, or if the disk is full.
    """
    folder = folder.resolve()
    check_folder(folder, overwrite, inputs)
    # A folder that is there may be a mount point or somebody's working folder: it stays itself.
    parent = folder if folder.is_dir() else folder.parent
    name = folder.name or "results"
    new = part_path(parent, name)
    with explained_writing(folder, 0):
        remove_leftovers(parent, PREFIX, name)
        new.mkdir(parents=True)
        try:
            yield new
            check_folder(folder, overwrite)
            if folder.is_dir():
                _replace(folder, new)
            else:
                new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def _is_record(path: Path) -> bool:
    try:
        return json.loads(path.read_text(encoding="utf-8")).keys() >= _KEYS
    except (OSError, ValueError, AttributeError):
        return False


def _is_result(path: Path) -> bool:
    stems = {path.name.removesuffix(ending) for ending in ENDINGS if path.name.endswith(ending)}
    return path.name in (RECORD, REPORT) or bool(stems & _STEMS)


def _replace(folder: Path, new: Path) -> None:
    """Move files into a folder in place of the results in it, the record last."""
    marker = folder / _MARKER
    marker.touch()
    (folder / RECORD).unlink(missing_ok=True)  # first, since it says that the others are there
    for path in folder.iterdir():
        if path.is_file() and _is_result(path):
            path.unlink(missing_ok=True)
    for path in sorted(new.iterdir(), key=lambda path: path.name == RECORD):
        os.replace(path, folder / path.name)
    marker.unlink(missing_ok=True)
