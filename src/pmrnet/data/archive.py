"""A data set as downloaded, folder or archive, made into a folder that can be searched."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from pmrnet.data.archive_members import damage_of, open_zip, tar_members
from pmrnet.data.extraction import (
    MAX_BYTES,
    SUFFIXES,
    extract,
    identify,
    open_archive,
    unpacked_from,
    write_members,
)
from pmrnet.errors import InputError

#: cohorts of Mindboggle-101 that are unpacked unless others are named
SITES = ("OASIS-TRT-20", "NKI-RS-22", "NKI-TRT-20")

# Mindboggle-101 comes as one archive a cohort, by itself or inside a zip archive.
_VOLUMES = re.compile(r"(.+_volumes)\.(tar\.gz|tgz|tar)")


def unpack_tree(
    raw: str | os.PathLike[str],
    work_folder: str | os.PathLike[str],
    sites: Sequence[str] = SITES,
) -> Path:
    """Unpack a data set if it is packed; what was unpacked before is kept.

    Parameters
    ----------
    raw
        A folder, or a .tar.gz, .tgz, .tar or .zip archive: one ``<site>_volumes.tar.gz`` of
        Mindboggle-101, a zip archive of several (the release on Zenodo, the volumes' folder of
        OSF), or LPBA40 as LONI gives it. A folder may hold such archives.
    work_folder
        Folder to unpack into: cohorts to ``<site>_volumes``, another archive to a folder of its
        name.
    sites
        Cohorts to unpack where there are several.

    Returns
    -------
    pathlib.Path
        The folder to search: `raw` itself where nothing is packed, else `work_folder` or the
        archive's folder in it.

    Raises
    ------
    InputError
        If there is nothing, the archive cannot be used, or a folder holds some cohorts packed and
        others not.
    """
    raw, work_folder = Path(raw), Path(work_folder)
    wanted = tuple(f"{site}_volumes" for site in sites)
    if raw.is_dir():
        return _unpack_folder(raw, work_folder, wanted)
    if raw.is_file() and _is_archive(raw):
        return _unpack_file(raw, work_folder, wanted)
    raise InputError(
        f"{raw}: expected a folder or an archive ({', '.join(SUFFIXES)}), found "
        f"{'another file' if raw.exists() else 'nothing there'}; give the data set as downloaded."
    )


def _unpack_folder(raw: Path, work_folder: Path, wanted: Sequence[str]) -> Path:
    entries = sorted(path for path in raw.iterdir() if not path.name.startswith("."))
    archives = [path for path in entries if path.is_file() and _is_archive(path)]
    folders = [path for path in entries if path.is_dir()]
    packed = {m[1]: p for p in archives if (m := _VOLUMES.fullmatch(p.name)) and m[1] in wanted}
    # Folders that were unpacked here by an earlier call are no reason not to look at the archive.
    loose = [path for path in folders if unpacked_from(path) is None]
    if packed:
        here = {path.name for path in loose if path.name in wanted}
        if raw.resolve() != work_folder.resolve() and here:
            if set(packed) <= here:
                return raw
            raise InputError(
                f"{raw}: expected all cohorts as archives or all unpacked, found "
                f"{', '.join(sorted(here))} unpacked and {', '.join(sorted(set(packed) - here))} "
                "as archives; unpack these there as well."
            )
        for name, archive in packed.items():
            if name not in here:
                _unpack_file(archive, work_folder, wanted)
        return work_folder
    if not archives and len(folders) == 1 and not loose and folders[0].name not in wanted:
        return folders[0]
    if not archives or loose:
        return raw
    if len(archives) == 1:
        return _unpack_file(archives[0], work_folder, wanted)
    raise InputError(
        f"{raw}: expected one archive, or {', '.join(wanted)} (.tar.gz), found "
        f"{', '.join(path.name for path in archives)}; give the right one as RAW."
    )


def _unpack_file(archive: Path, work_folder: Path, wanted: Sequence[str]) -> Path:
    if archive.name.lower().endswith(".zip"):
        with open_archive(archive) as stream, open_zip(stream, str(archive)) as content:
            inner = [
                (match[1], info)
                for info in content.infolist()
                if (match := _VOLUMES.fullmatch(PurePosixPath(info.filename).name))
            ]
            if inner:
                _unpack_inner(archive, content, inner, work_folder, wanted)
                return work_folder
    match = _VOLUMES.fullmatch(archive.name)
    suffix = next(s for s in SUFFIXES if archive.name.lower().endswith(s))
    name = archive.name[: -len(suffix)]
    target = work_folder / name
    _once(target, identify(archive), partial(extract, archive, target, strip=name))
    return work_folder if match else target


def _unpack_inner(
    archive: Path,
    content: zipfile.ZipFile,
    inner: Sequence[tuple[str, zipfile.ZipInfo]],
    work_folder: Path,
    wanted: Sequence[str],
) -> None:
    """Unpack the wanted cohorts' archives straight out of the zip archive around them."""
    chosen = [(name, info) for name, info in inner if name in wanted]
    names = [name for name, _ in chosen]
    if not chosen or len(set(names)) < len(names):
        raise InputError(
            f"{archive}: expected {', '.join(wanted)} (.tar.gz) in it, each once, found "
            f"{', '.join(info.filename for _, info in inner)}; get the archive again, or unpack it "
            "and give the folder as RAW."
        )
    for name, info in chosen:
        unpack = partial(_unpack_cohort, archive, content, info, work_folder / name)
        _once(work_folder / name, identify(archive, info.filename), unpack)


def _unpack_cohort(
    archive: Path, content: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path
) -> None:
    source = f"{archive}: {info.filename}"
    with damage_of(source):
        stream = content.open(info)
    with stream:
        found = tar_members(
            stream, source, compressed=info.filename.endswith("gz"), max_bytes=MAX_BYTES
        )
        write_members(found, target, source, identify(archive, info.filename), strip=target.name)


def _once(target: Path, origin: dict[str, Any], unpack: Callable[[], object]) -> None:
    """Unpack unless that was done from the same archive before."""
    before = unpacked_from(target)
    if before == origin:
        return
    if before is not None:
        raise InputError(
            f"{target}: expected it unpacked from {origin['name']} as it is now, found it unpacked "
            f"from {before.get('name')} of another size, date or place; remove the folder to "
            "unpack it anew."
        )
    unpack()


def _is_archive(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)
