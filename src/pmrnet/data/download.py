"""Downloading a large file: resumed where it broke off, checked, and never half there."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import requests
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from pmrnet.data.http import WAITS, TemporaryFailure, open_url, read_chunks
from pmrnet.data.part_file import PartFile
from pmrnet.data.room import check_room, explained_writing
from pmrnet.errors import InputError

#: most bytes of a file whose size is not known beforehand
MAX_BYTES = 20 * 10**9

# An attempt that got this much further starts the count of attempts anew.
_PROGRESS = 1 << 20


def download(
    url: str,
    path: str | os.PathLike[str],
    *,
    size: int | None = None,
    sha256: str | None = None,
    md5: str | None = None,
    progress: Progress | None = None,
    waits: Sequence[float] = WAITS,
) -> str:
    """Fetch a file, or the rest of it.

    What has arrived is kept in `<path>.part` when the connection breaks or the user interrupts;
    the next call goes on from there, unless the file on the server is another one by then. A file
    that exists under its final name is complete: it is checked and kept, without a request.

    Parameters
    ----------
    url
        Address, http or https.
    path
        The file to make; missing parent folders are created.
    size
        Its number of bytes, where known.
    sha256, md5
        Its checksums in hexadecimal digits, where known.
    progress
        Bars that get one more for this file; bars of its own on the standard error if None.
    waits
        Seconds between attempts; there is one attempt more than there are waits, each time that
        the file has not grown meanwhile.

    Returns
    -------
    str
        The SHA-256 that was found, 64 hexadecimal digits.

    Raises
    ------
    InputError
        If the file is not to be had, or is not the one expected (then nothing of it is kept), or
        the disk is full, or another file has its name.
    """
    path = Path(path)
    if path.exists():
        return _keep(path, size, sha256, md5)
    check_room(path.parent, size or 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = PartFile(path, url, size)
    with nullcontext(progress) if progress is not None else make_progress() as bars:
        task = bars.add_task(path.name, total=size or part.total, completed=part.position)
        if not part.complete:
            _fill(part, url, size, waits, bars, task)
    found, fault = _inspect(part.path, size, sha256, md5)
    if fault:
        part.discard()
        raise InputError(
            f"{url}: {fault}; what arrived was removed, so try again, and if it happens again the "
            "file on the server is not the one that is known."
        )
    part.finish(path)
    return found


def make_progress(console: Console | None = None) -> Progress:
    """Bars that tell bytes, speed and the time left, on the standard error by default."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console or Console(stderr=True),
    )


def _keep(path: Path, size: int | None, sha256: str | None, md5: str | None) -> str:
    if not path.is_file():
        raise InputError(f"{path}: expected to write a file, found a folder there; move it away.")
    found, fault = _inspect(path, size, sha256, md5)
    if fault:
        raise InputError(f"{path}: {fault}; move it away to download the right one.")
    return found


def _fill(
    part: PartFile,
    url: str,
    size: int | None,
    waits: Sequence[float],
    bars: Progress,
    task: TaskID,
) -> None:
    """Attempt after attempt until the file is whole."""
    furthest, attempts = part.position, 0
    while True:
        try:
            return _attempt(part, url, size, bars, task)
        except TemporaryFailure as error:
            # By the furthest byte ever, or a server that starts over each time would never end.
            if part.position >= furthest + _PROGRESS:
                furthest, attempts = part.position, 0
            if attempts == len(waits):
                kept = f", it goes on from {part.path}" if part.position else ""
                raise InputError(
                    f"{url}: expected a file, found that {error}, {attempts + 1} times in a row; "
                    f"check the connection and try the same again later{kept}."
                ) from error
            time.sleep(waits[attempts])
            attempts += 1


def _attempt(part: PartFile, url: str, size: int | None, bars: Progress, task: TaskID) -> None:
    """One request, and all that it brings written to the part."""
    with open_url(url, part.range_headers()) as response:
        announced = _announced(response, part, url)
        if size is not None and announced not in (None, size):
            raise InputError(
                f"{url}: expected a file of {size} bytes, found one of {announced}; the file was "
                "changed, or the address leads elsewhere."
            )
        position = part.position if response.status_code == 206 else 0
        total = announced if announced is not None else size
        check_room(part.path.parent, (total or 0) - position)
        bars.update(task, total=total, completed=position)
        limit = MAX_BYTES if total is None else total
        with explained_writing(part.path.parent, (total or 0) - position):
            if position == 0:
                part.begin(response, announced)
            with part.path.open("r+b") as stream:
                stream.seek(position)
                for chunk in read_chunks(response):
                    position += len(chunk)
                    if position > limit:
                        break
                    stream.write(chunk)
                    bars.update(task, completed=position)
                stream.flush()
                os.fsync(stream.fileno())
        if position > limit:
            part.discard()
            raise InputError(
                f"{url}: expected a file of at most {limit} bytes, found a longer one; the file "
                "was changed, or the address leads elsewhere."
            )
        # A short body in chunks has a marked end and is judged by its size later; any other is the
        # server's range or a lost connection, and the rest may follow.
        if total is not None and position < total and not response.raw.chunked:
            raise TemporaryFailure("the connection broke off")


def _announced(response: requests.Response, part: PartFile, url: str) -> int | None:
    """Size of the whole file according to an answer that brings it, or the rest of it."""
    if response.status_code == 200:
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise InputError(
                f"{url}: expected a file, found a web page, perhaps to log in; open the address in "
                "a browser to see it."
            )
        length = response.headers.get("Content-Length", "")
        return int(length) if length.isdecimal() and not response.raw.chunked else None
    if response.status_code == 206:
        match = re.fullmatch(
            r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range", "").strip()
        )
        if (
            match
            and int(match[1]) == part.position <= int(match[2]) < int(match[3])
            and part.total in (None, int(match[3]))
            and part.is_continued_by(response)
        ):
            return int(match[3])
    if response.status_code in (206, 416):
        position = part.position
        part.discard()
        raise TemporaryFailure(f"the file on the server does not go on after {position} bytes")
    raise InputError(
        f"{url}: expected a file, found HTTP {response.status_code} ({response.reason}); open the "
        "address in a browser to see why."
    )


def _inspect(
    path: Path, size: int | None, sha256: str | None, md5: str | None
) -> tuple[str, str | None]:
    """SHA-256 of a file, and what is wrong with it if anything is."""
    found = _checksum(path, "sha256")
    checks = [("bytes", size, path.stat().st_size), ("as SHA-256", sha256, found)]
    if md5:
        checks.append(("as MD5", md5, _checksum(path, "md5")))
    for what, expected, actual in checks:
        if expected is not None and str(actual) != str(expected).lower():
            return found, f"expected {expected} {what}, found {actual}"
    return found, None


def _checksum(path: Path, name: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(
            stream, lambda: hashlib.new(name, usedforsecurity=False)
        ).hexdigest()
