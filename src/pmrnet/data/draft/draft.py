"""From a folder of volumes to the text of a protocol file that can be used as it is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from pmrnet.data.batch import run_batch
from pmrnet.data.draft.choose import choose_files
from pmrnet.data.draft.common_labels import find_common_labels
from pmrnet.data.draft.look import look_at
from pmrnet.data.draft.naming import Named, name_subjects
from pmrnet.data.draft.search import find_volumes
from pmrnet.data.draft.split import FEWEST, FEWEST_WITH_TEST, in_order, split_subjects
from pmrnet.data.draft.text import Draft, protocol_text
from pmrnet.data.room import check_room, explained_writing
from pmrnet.data.section import SOURCES
from pmrnet.errors import InputError
from pmrnet.files import atomic_write_text


def write_draft(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    name: str | None = None,
    overwrite: bool = False,
    console: Console | None = None,
) -> Path:
    """Draft a protocol file for a folder of volumes and write it.

    Parameters
    ----------
    folder, name, console
        As for `draft_protocol`; the name is by default that of `out`, without its ending, and
        with "my-" before it where a shipped data set has that name.
    out
        The YAML file to write; the paths in it are relative to its folder.
    overwrite
        Whether an existing file may be replaced.

    Returns
    -------
    pathlib.Path
        `out`.

    Raises
    ------
    InputError
        As `draft_protocol`, or if `out` is no name of a YAML file or exists.
    """
    out = Path(out)
    if out.suffix not in (".yaml", ".yml"):
        raise InputError(
            f"{out}: expected a name ending in .yaml for the draft, found {out.suffix or 'none'}; "
            f"write {out.with_suffix('.yaml')}."
        )
    if out.exists() and not overwrite:
        raise InputError(
            f"{out}: expected no file there, found one, which may hold your changes; choose "
            "another name, move it away, or allow overwriting."
        )
    name = name or _own_name(out.stem)
    check_room(out.parent, 0)
    text = draft_protocol(folder, name, out.parent, console)
    with explained_writing(out.parent, len(text)):
        atomic_write_text(out, text)
    return out


def draft_protocol(
    folder: str | os.PathLike[str],
    name: str | None = None,
    relative_to: str | os.PathLike[str] | None = None,
    console: Console | None = None,
) -> str:
    """Draft a protocol file for a folder of volumes.

    Known are a folder per subject, BIDS with derivatives, FreeSurfer's subjects, flat files with
    common words in their names, parallel folders of images and labels, and VoxelMorph's ``.npz``
    of both. Comments in the text say what was found, guessed and left out. Nothing is written.

    Parameters
    ----------
    folder
        Where the volumes are, up to six folders deep.
    name
        Name of the data set; that of the folder if None.
    relative_to
        Folder that the file will lie in, which its paths are relative to; `folder` if None.
    console
        Where progress goes; the standard error if None.

    Returns
    -------
    str
        YAML that `pmrnet.protocol.Protocol.load` reads.

    Raises
    ------
    InputError
        If there is no volume, no image among them, their names do not tell the subjects apart, or
        there are fewer than four subjects.
    """
    folder = Path(folder)
    named, beside = name_subjects(find_volumes(folder))
    if not named:
        raise InputError(
            f"{folder}: expected names of files or folders that tell subjects apart, found only "
            f"{', '.join(file.shown for file in beside[:4])}; make a folder for each subject."
        )
    files: dict[str, dict[str, Named]] = {n: {} for n in in_order({n.subject for n in named})}
    for item in named:
        files[item.subject][item.pattern] = item
    looks = run_batch("Looking at the volumes", look_at, _by_pattern(files), 1, console)
    choice = choose_files(files, looks)
    if not choice.subjects:
        raise InputError(
            f"{folder}: expected T1 images among the volumes, found none; {choice.notes[-1]}."
        )
    notes = list(choice.notes)
    if beside:
        shown = ", ".join(file.shown for file in beside[:8])
        more = f" and {len(beside) - 8} more" if len(beside) > 8 else ""
        notes.append(f"left out, since they belong to no subject: {shown}{more}")
    subjects, labels = find_common_labels(choice.subjects, notes, console)
    labelled = [subject for subject, paths in subjects.items() if paths.labels] if labels else None
    splits = split_subjects(subjects, labelled)
    return protocol_text(
        Draft(
            name or _own_name(folder.resolve().name),
            folder.resolve().name,
            splits,
            subjects,
            labels,
            notes + _split_notes(splits, labelled),
        ),
        Path(relative_to) if relative_to is not None else folder,
    )


def _by_pattern(files: Mapping[str, Mapping[str, Named]]) -> dict[str, tuple[list[Named]]]:
    """Files of each pattern, those of the subject with most files first, to compare their grids."""
    fullest = max(files, key=lambda subject: len(files[subject]))
    members: dict[str, tuple[list[Named]]] = {}
    for subject in (fullest, *(s for s in files if s != fullest)):
        for pattern, named in files[subject].items():
            members.setdefault(pattern, ([],))[0].append(named)
    return members


def _split_notes(splits: Mapping[str, list[str]], labelled: list[str] | None) -> list[str]:
    notes = []
    names = [name for split in splits.values() for name in split]
    if not splits["test"]:
        lacking = "" if labelled is None or len(names) < FEWEST_WITH_TEST else " with labels"
        count = len(names) if not lacking else len(labelled or ())
        needed = FEWEST if lacking else FEWEST_WITH_TEST
        notes.append(
            f"TOO FEW subjects{lacking} for a test split: {count} found, {needed} needed, two in "
            "each split; networks can be trained but not tested"
        )
    if labelled is not None and len(labelled) < len(names):
        without = [name for name in names if name not in labelled]
        notes.append(f"without labels, hence in train: {', '.join(without)}")
    return notes


def _own_name(name: str) -> str:
    """The name, changed where a data set of the project has it: results are kept by name."""
    shipped = name in SOURCES or (Path("data_splits") / f"{name}.yaml").exists()
    return f"my-{name}" if shipped else name or "mine"
