"""Unpacking an archive into a folder that appears whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pmrnet.data.archive_members import Member, open_zip, tar_members, zip_members
from pmrnet.data.room import check_room
from pmrnet.errors import InputError
from pmrnet.part_folders import PREFIX, part_path, remove_leftovers

#: most bytes and members of an archive, many times those of the known data sets
MAX_BYTES = 20 * 10**9
MAX_FILES = 100_000

#: names that archives end with
SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")

_MARKER = ".unpacked.json"


def extract(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    max_bytes: int = MAX_BYTES,
    max_files: int = MAX_FILES,
    members: Callable[[str], bool] | None = None,
    strip: str | None = None,
) -> Path:
    """Unpack a .tar.gz, .tgz, .tar or .zip archive into a new folder.

    Everything is written beside the folder first, so that it appears at once and complete, with
    a note ``.unpacked.json`` of the archive it is from.

    Parameters
    ----------
    archive
        The archive.
    folder
        The folder to make; an empty one may exist.
    max_bytes, max_files
        Most bytes and members of the archive, as declared and as found.
    members
        Whether to write a member, by its name; all of them if None. Those that are not written
        are checked and counted nevertheless.
    strip
        Leading folder that is left out of the members' names where they have it.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        If the archive is missing, damaged, too large or holds anything but files and folders that
        stay inside; if two members have the same name, or none is to be written; if the folder is
        not empty or the disk is full. Nothing is left behind then.
    """
    archive, folder = Path(archive), Path(folder)
    source = str(archive)
    options = {"max_bytes": max_bytes, "max_files": max_files, "members": members, "strip": strip}
    with open_archive(archive) as stream:
        if archive.name.lower().endswith(".zip"):
            with open_zip(stream, source) as content:
                found = zip_members(content, source)
                return write_members(found, folder, source, identify(archive), **options)
        compressed = archive.name.lower().endswith("gz")
        # Headers of members come on top of what they hold.
        limit = max_bytes + 4096 * max_files
        found = tar_members(stream, source, compressed=compressed, max_bytes=limit)
        return write_members(found, folder, source, identify(archive), **options)


@contextmanager
def open_archive(archive: Path) -> Iterator[BinaryIO]:
    """Open an archive's file.

    Raises
    ------
    InputError
        If it is missing or may not be read.
    """
    try:
        stream = archive.open("rb")
    except OSError as error:
        raise InputError(
            f"{archive}: expected an archive, found that it cannot be opened ({error.strerror}); "
            "check the path."
        ) from error
    with stream:
        yield stream


def identify(archive: Path, member: str | None = None) -> dict[str, Any]:
    """Tell an archive, or one inside it, from others: name, size and time of change."""
    status = archive.stat()
    identity = {"name": archive.name, "size": status.st_size, "mtime": int(status.st_mtime)}
    return identity if member is None else {**identity, "member": member}


def unpacked_from(folder: Path) -> dict[str, Any] | None:
    """Identity of the archive that a folder was unpacked from, None if it was not."""
    try:
        origin = json.loads((folder / _MARKER).read_text(encoding="utf-8"))["archive"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return origin if isinstance(origin, dict) else None


def write_members(
    found: Iterable[Member],
    folder: Path,
    source: str,
    origin: Mapping[str, Any],
    *,
    max_bytes: int = MAX_BYTES,
    max_files: int = MAX_FILES,
    members: Callable[[str], bool] | None = None,
    strip: str | None = None,
) -> Path:
    """Write the members of an archive into a new folder; see `extract`.

    Parameters
    ----------
    found
        Members of the archive in their order.
    folder
        The folder to make.
    source
        What error messages call the archive.
    origin
        Identity of the archive, for the note.
    max_bytes, max_files, members, strip
        As in `extract`.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        As in `extract`.
    """
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    if folder.exists():
        raise InputError(
            f"{folder}: expected no such folder yet, to unpack {source} into, found one; move it "
            "away or remove it."
        )
    temporary = part_path(folder.parent, folder.name)
    try:
        remove_leftovers(folder.parent, PREFIX, folder.name)
        temporary.mkdir(parents=True)
        written = _write(found, temporary, source, max_bytes, max_files, members, strip)
        if not written:
            raise InputError(
                f"{source}: expected files to unpack, found none; check that it is the right "
                "archive."
            )
        note = json.dumps({"archive": dict(origin), "files": written}, indent=1) + "\n"
        with (temporary / _MARKER).open("x", encoding="utf-8") as stream:
            stream.write(note)
        temporary.replace(folder)
    except OSError as error:
        raise InputError(
            f"{source}: expected to unpack it into {folder}, found {error.strerror or error}; make "
            "room or choose another folder."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _write(
    found: Iterable[Member],
    folder: Path,
    source: str,
    max_bytes: int,
    max_files: int,
    members: Callable[[str], bool] | None,
    strip: str | None,
) -> int:
    """Write the members into a folder of their own; returns the number of files."""
    declared = written = 0
    for count, member in enumerate(found, start=1):
        declared += member.size
        if declared > max_bytes or count > max_files:
            raise InputError(
                f"{source}: expected at most {max_bytes / 1e9:g} GB in {max_files} members, found "
                f"more at {str(member.name)!r}; nothing was unpacked, since this is not the "
                "archive as published."
            )
        if members is not None and not members(str(member.name)):
            continue
        name = member.name
        if strip is not None and name.parts[:1] == (strip,):
            name = name.relative_to(strip)
        # A folder may well be listed twice. A file may not: which of the two would count?
        try:
            if member.is_folder:
                (folder / name).mkdir(parents=True, exist_ok=True)
            else:
                _write_file(folder / name, member, source)
                written += 1
        except (FileExistsError, NotADirectoryError) as error:
            raise InputError(
                f"{source}: expected each name once, found {str(member.name)!r} twice, or as a "
                "file and a folder; nothing was unpacked, since this is not the archive as "
                "published."
            ) from error
    return written


def _write_file(path: Path, member: Member, source: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    check_room(path.parent, member.size)
    size = 0
    with path.open("xb") as stream:
        for chunk in member.open():
            size += len(chunk)
            if size > member.size:
                break
            stream.write(chunk)
        stream.flush()
        # Without this a crash of the machine may leave empty files in the finished folder.
        os.fsync(stream.fileno())
    if size != member.size:
        raise InputError(
            f"{source}: expected {member.size} bytes in {str(member.name)!r}, found "
            f"{'more' if size > member.size else size}; get the archive again."
        )
