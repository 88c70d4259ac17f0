"""`make data`: from a data set's files, wherever they come from, to network-ready volumes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from pmrnet.data.prepare import Orientation, PrepareSettings, prepare_dataset
from pmrnet.data.prepared import PreparedSubject, write_json
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.dataset import Dataset
from pmrnet.errors import InputError
from pmrnet.protocol import Protocol

#: where downloads go, and archives are unpacked
RAW = Path("data/raw")
#: folder that holds raw data sets by name, looked at if none is given
DATA_VARIABLE = "PMRNET_DATA"
#: beside the prepared subjects: which folder was given last
_GIVEN = "raw.json"


def prepare(
    dataset: Dataset,
    raw: Path | None = None,
    processes: int | None = None,
    console: Console | None = None,
) -> None:
    """Make the network-ready volumes of a data set; what is done already is kept.

    Parameters
    ----------
    dataset
        Its protocol names the source; subjects of the source that the protocol does not name are
        left alone.
    raw
        Folder or archive as downloaded. If None: the one given last, ``data/raw/<source>``, or the
        folder of that name in ``$PMRNET_DATA``, whichever is there first; failing all of them,
        Mindboggle-101 is downloaded, after consent, and for LPBA40 it is said how to get it.
    processes
        Subjects at a time; as many as cores and memory allow if None.
    console
        Where progress and notices go; the standard error if None.

    Raises
    ------
    InputError
        If files are missing or cannot be used.
    """
    console = console or Console(stderr=True)
    source = dataset.protocol.data.source
    if source == "demo":
        from pmrnet.data.phantom import make_demo_dataset

        make_demo_dataset(RAW / "demo", dataset.prepared, dataset.protocol)
        return
    if source == "files":
        if raw is not None:
            raise InputError(
                f"RAW: expected none, since {dataset.given} names every file itself, found {raw}; "
                "leave it out."
            )
        files: Mapping[str, SubjectFiles] = dataset.protocol.data.subjects
        if not files:
            raise InputError(
                f"{dataset.given}: expected the files of its subjects at `data: subjects:`, found "
                "none; `pmrnet draft FOLDER` writes such a file."
            )
        orientation = None
    else:
        folder = _raw_folder(source, raw, dataset, console)
        files, orientation = _find(source, folder, dataset.protocol, console)
        if raw is not None:
            write_json(dataset.prepared / _GIVEN, {"folder": str(folder.resolve())})
    prepared = prepare_dataset(
        files,
        dataset.prepared,
        PrepareSettings(shape=dataset.protocol.data.shape),
        orientation=orientation,
        processes=processes,
        console=console,
    )
    if stray := _stray_labels(prepared, dataset.protocol):
        console.print(
            f"[yellow]Notice:[/] {dataset.name} does not know the labels "
            f"{', '.join(map(str, sorted(stray)))}, which {len(set().union(*stray.values()))} "
            "subjects carry; they are ignored."
        )


def _raw_folder(source: str, raw: Path | None, dataset: Dataset, console: Console) -> Path:
    """Folder with the subjects: what was given, unpacked if need be, else found or fetched."""
    from pmrnet.data.archive import unpack_tree

    given = raw is not None
    if raw is None:
        places = [*_given_last(dataset), RAW / source]
        if os.environ.get(DATA_VARIABLE):
            places.append(Path(os.environ[DATA_VARIABLE]) / source)
        raw = next((place for place in places if place.is_dir() and any(place.iterdir())), None)
    stopped = source == "mindboggle" and not given and _download_is_unfinished(raw, dataset)
    if stopped or (source == "mindboggle" and raw is None):
        return _fetch_mindboggle(dataset, console)
    if raw is None:
        from pmrnet.data.lpba40_download import lpba40_instructions

        raise InputError(lpba40_instructions())
    if not raw.exists():
        raise InputError(f"RAW: expected a folder or an archive at {raw}, found none there.")
    if raw.is_file():
        console.print(f"Unpacking {raw.name}; this can take some minutes.")
    return unpack_tree(raw, RAW / source)


def _given_last(dataset: Dataset) -> list[Path]:
    """Folder that an earlier preparation was given, so that it need not be given again."""
    try:
        return [Path(json.loads((dataset.prepared / _GIVEN).read_text())["folder"])]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _download_is_unfinished(raw: Path | None, dataset: Dataset) -> bool:
    """Whether a download to this folder was stopped, or of other sites than are wanted now."""
    from pmrnet.data.fetch_mindboggle import is_download
    from pmrnet.data.mindboggle import find_subjects

    if raw != RAW / "mindboggle" or not is_download(raw):
        return False
    wanted = _wanted(dataset.protocol)
    try:
        found = find_subjects(raw, space=dataset.protocol.data.space, wanted=wanted)
    except InputError:
        return True
    return not set(wanted) <= set(found)


def _fetch_mindboggle(dataset: Dataset, console: Console) -> Path:
    """Download the sites that the protocol has subjects of."""
    from pmrnet.data.fetch_mindboggle import fetch_mindboggle
    from pmrnet.data.mindboggle import SITES

    wanted = set(_wanted(dataset.protocol))
    sites = tuple(site for site, names in SITES.items() if wanted & set(names))
    return fetch_mindboggle(RAW / "mindboggle", sites, console=console)


def _wanted(protocol: Protocol) -> tuple[str, ...]:
    return protocol.train + protocol.validation + protocol.test


def _find(
    source: str, folder: Path, protocol: Protocol, console: Console
) -> tuple[dict[str, SubjectFiles], Orientation]:
    """Files of the protocol's subjects, and how they are oriented where headers do not tell."""
    wanted = _wanted(protocol)
    if source == "lpba40":
        from pmrnet.data import lpba40

        found = lpba40.find_subjects(folder, wanted)
        return {name: found[name] for name in wanted}, lpba40.label_orientation
    from pmrnet.data import mindboggle

    found = mindboggle.find_subjects(folder, space=protocol.data.space, wanted=wanted)
    files = {name: found[name] for name in wanted if name in found}
    for split in ("train", "validation", "test"):
        absent = [name for name in getattr(protocol, split) if name not in files]
        if absent:
            more = f" and {len(absent) - 2} more" if len(absent) > 2 else ""
            console.print(
                f"[yellow]Notice:[/] {len(absent)} {split} subjects of {protocol.name} are not in "
                f"{folder} ({', '.join(absent[:2])}{more}); what needs them cannot run."
            )
    if not files:
        raise InputError(
            f"{folder}: expected subjects of {protocol.name}, found {len(found)} others; give the "
            "folder with the sites that data_splits names."
        )
    return files, mindboggle.label_orientation


def _stray_labels(subjects: list[PreparedSubject], protocol: Protocol) -> dict[int, set[str]]:
    """Labels that the protocol says nothing of, with the subjects that carry them."""
    known = protocol.labels.keys() | protocol.merge.keys() | protocol.not_scored.keys()
    stray: dict[int, set[str]] = {}
    if protocol.labels:
        for subject in subjects:
            for label in set(subject.label_ids) - known:
                stray.setdefault(label, set()).add(subject.name)
    return stray
