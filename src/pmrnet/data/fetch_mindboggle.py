"""Getting Mindboggle-101: its licence, the user's consent, the archives, the folders."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from pmrnet.data.archive import SITES, unpack_tree
from pmrnet.data.download import download, make_progress
from pmrnet.data.extraction import unpacked_from
from pmrnet.data.http import WAITS
from pmrnet.data.osf import API, find_sites
from pmrnet.data.room import check_room
from pmrnet.errors import InputError
from pmrnet.files import atomic_write_text

LICENCE_NAME = "CC BY-NC-SA 3.0"

#: shown before the question
LICENCE = """\
Mindboggle-101 (https://osf.io/yhkde) is licensed under Creative Commons
Attribution-NonCommercial-ShareAlike 3.0 (CC BY-NC-SA 3.0), as its documentation states:
you may copy and change the data if you name the authors, do not use them commercially, and pass
on what you make of them under the same licence. This is a summary; the licence itself is at
https://creativecommons.org/licenses/by-nc-sa/3.0/
Please cite: Klein A, Tourville J. 101 labeled brain images and a consistent human cortical
labeling protocol. Frontiers in Neuroscience 2012; 6:171, doi:10.3389/fnins.2012.00171
"""

#: set to 1 by scripts whose author has read and accepts the licence
CONSENT_VARIABLE = "ACCEPT_LICENSE"

_RECORD = "download.json"
_ALL_SITES = ("OASIS-TRT-20", "NKI-RS-22", "NKI-TRT-20", "MMRR-21", "Extra-18")


def fetch_mindboggle(
    folder: str | os.PathLike[str],
    sites: Sequence[str] = SITES,
    accept: bool | None = None,
    api: str = API,
    ask: Callable[[str], str] = input,
    console: Console | None = None,
    waits: Sequence[float] = WAITS,
) -> Path:
    """Download and unpack cohorts of Mindboggle-101; goes on where it was stopped.

    Parameters
    ----------
    folder
        Gets ``<site>_volumes/<subject>/``, ``archives/`` and ``download.json``, which records
        what came from where, with its checksum, and how the licence was accepted.
    sites
        Cohorts to fetch; those that are there are kept.
    accept
        Whether the user accepts the licence. If None, the record of an earlier call, the
        environment variable ``ACCEPT_LICENSE`` (1) or the user's answer tells.
    api
        Base address of OSF's API.
    ask
        Asks the user a question and returns the answer.
    console
        Where licence and progress go; the standard error if None.
    waits
        Seconds between attempts of a request.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        If a cohort is unknown, the licence is not accepted (nothing is fetched then), or the
        archives cannot be had.
    """
    folder = Path(folder)
    unknown = [site for site in sites if site not in _ALL_SITES]
    if unknown or not sites:
        raise InputError(
            f"Mindboggle-101: expected sites among {', '.join(_ALL_SITES)}, found "
            f"{', '.join(unknown) or 'none'}; name some of them."
        )
    check_room(folder, 0)
    record = _read_record(folder)
    absent = [site for site in sites if not _is_fetched(folder, site, record)]
    if not absent:
        return folder
    console = console or Console(stderr=True)
    if accept is not None or "licence" not in record:
        console.print(LICENCE, markup=False, highlight=False, soft_wrap=True)
        how = _consent(accept, ask)
        record["licence"] = {"name": LICENCE_NAME, "accepted": how, "date": _now()}
    record["sites"] = [s for s in _ALL_SITES if s in (*record.get("sites", ()), *sites)]
    _write_record(folder, record)

    remote = find_sites(absent, api, waits=waits)
    for site in absent:
        file = remote[site]
        archive = folder / "archives" / file.name
        with make_progress(console) as progress:
            sha256 = download(
                file.url,
                archive,
                size=file.size,
                sha256=file.sha256,
                md5=file.md5,
                progress=progress,
                waits=waits,
            )
        console.print(f"Unpacking {file.name}", highlight=False)
        unpack_tree(archive, folder)
        record.setdefault("files", {})[site] = {
            "name": file.name,
            "url": file.url,
            "size": file.size,
            "sha256": sha256,
            "checked_by": file.checked_by,
            "date": _now(),
        }
        _write_record(folder, record)
    return folder


def is_download(folder: str | os.PathLike[str]) -> bool:
    """Whether `fetch_mindboggle` has begun to download into a folder.

    Raises
    ------
    InputError
        If the folder's ``download.json`` cannot be read.
    """
    return bool(_read_record(Path(folder)))


def _consent(accept: bool | None, ask: Callable[[str], str]) -> str:
    """How the licence was accepted, in words."""
    if accept is None and os.environ.get(CONSENT_VARIABLE) == "1":
        return f"{CONSENT_VARIABLE}=1 in the environment"
    if accept is None:
        try:
            if ask is input and not (sys.stdin and sys.stdin.isatty()):
                raise EOFError
            accept = ask("Do you accept this licence? Type yes to download: ").strip() == "yes"
            how = "typed yes"
        except (EOFError, ValueError) as error:  # ValueError: the input was closed
            raise InputError(
                "Mindboggle-101: expected an answer to whether you accept its licence, found no "
                f"terminal to ask on; read the licence and set {CONSENT_VARIABLE}=1 to accept it."
            ) from error
    else:
        how = "by the program that called"
    if not accept:
        raise InputError(
            "Mindboggle-101: expected its licence to be accepted by typing yes, found that it was "
            "not; nothing was downloaded."
        )
    return how


def _is_fetched(folder: Path, site: str, record: dict[str, Any]) -> bool:
    cohort = folder / f"{site}_volumes"
    if not cohort.is_dir():
        return False
    # What the user unpacked there is left alone; what is ours but not recorded is not finished.
    return site in record.get("files", {}) or unpacked_from(cohort) is None


def _read_record(folder: Path) -> dict[str, Any]:
    path = folder / _RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        kinds = {"sites": list, "files": dict}
        if isinstance(record, dict) and all(
            isinstance(record.get(key, kind()), kind) for key, kind in kinds.items()
        ):
            return record
        fault: object = "another kind of JSON"
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        fault = error
    raise InputError(
        f"{path}: expected the record of an earlier download, found {fault}; remove the file, what "
        "was downloaded is kept."
    )


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    atomic_write_text(folder / _RECORD, json.dumps(record, indent=1) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
