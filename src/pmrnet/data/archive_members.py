"""Members of tar and zip archives, one after the other, each checked before anyone writes it.

Archives come from outside: a member may be named so that it lands elsewhere, be a link or a
device, or swell beyond any disk. Whatever is odd is refused rather than repaired.
"""

from __future__ import annotations

import gzip
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from pmrnet.errors import InputError

_CHUNK = 1 << 20
_BLOCK = 512  # of a tar archive

# What the libraries raise on damaged archives, beside their own errors.
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    LookupError,
    ArithmeticError,
    RuntimeError,
)


@dataclass(frozen=True)
class Member:
    """A file or folder of an archive.

    Parameters
    ----------
    name
        Relative path without ``..``.
    is_folder
        Whether it is a folder.
    size
        Number of bytes that the archive declares.
    open
        Its content in pieces; only until the next member is asked for.
    """

    name: PurePosixPath
    is_folder: bool
    size: int
    open: Callable[[], Iterator[bytes]]


def tar_members(
    stream: BinaryIO, source: str, *, compressed: bool, max_bytes: int
) -> Iterator[Member]:
    """Read a tar archive from its beginning to its end.

    Parameters
    ----------
    stream
        The archive's bytes.
    source
        What error messages call it.
    compressed
        Whether gzip is around it.
    max_bytes
        Most bytes to read, after decompression.

    Yields
    ------
    Member

    Raises
    ------
    InputError
        If the archive is damaged or cut short, too large, or a member is refused.
    """
    with damage_of(source):
        content = gzip.GzipFile(fileobj=stream) if compressed else stream
        bounded = _Bounded(content, source, max_bytes)
        archive = tarfile.TarFile(fileobj=bounded)
    while True:
        with damage_of(source):
            info = archive.next()
        if info is None:
            break
        if not (info.isreg() or info.isdir()) or info.issparse():
            raise _refused(source, info.name, "a file or folder", _tar_kind(info))
        if info.size < 0:
            raise _damaged(source, f"{info.name!r} has a negative size")
        name = _safe_name(info.name, source)
        with damage_of(source):
            # Python 3.11.4 and later: their check of the same dangers, as a second pair of eyes.
            if hasattr(tarfile, "data_filter"):
                tarfile.data_filter(info, ".")
        yield Member(name, info.isdir(), info.size, _reader(archive.extractfile, info, source))
    # tarfile takes a bad header for the end, as well as no header at all.
    if bounded.last != bytes(_BLOCK):
        raise _damaged(source, "its end is missing")
    with damage_of(source):  # to the end, where gzip has its checksum
        while bounded.read(_CHUNK):
            pass


def zip_members(archive: zipfile.ZipFile, source: str) -> Iterator[Member]:
    """Go through a zip archive.

    Parameters
    ----------
    archive
        The archive, open.
    source
        What error messages call it.

    Yields
    ------
    Member

    Raises
    ------
    InputError
        If the archive is damaged, or a member is refused.
    """
    for info in archive.infolist():
        # zipfile does not count: a wrong length swallows the entries that follow in the directory.
        if b"PK\1\2" in info.comment + info.extra:
            raise _damaged(source, f"{info.filename!r} runs into the next entry")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            found = "a link" if kind == stat.S_IFLNK else "a device"
            raise _refused(source, info.filename, "a file or folder", found)
        if info.flag_bits & 1:
            raise _refused(source, info.filename, "a readable file", "an encrypted one")
        # The name as stored: zipfile cuts it at a NUL.
        name = _safe_name(info.orig_filename, source)
        yield Member(name, info.is_dir(), info.file_size, _reader(archive.open, info, source))


@contextmanager
def open_zip(stream: BinaryIO, source: str) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive.

    Raises
    ------
    InputError
        If it is none, or damaged.
    """
    with damage_of(source):
        archive = zipfile.ZipFile(stream)
    with archive:
        yield archive


@contextmanager
def damage_of(source: str) -> Iterator[None]:
    """Turn what the libraries raise on a damaged archive into an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except _DAMAGE as error:
        raise _damaged(source, str(error) or type(error).__name__) from error


class _Bounded:
    """A stream for tarfile that ends with an error where it gets out of hand."""

    def __init__(self, stream: BinaryIO, source: str, limit: int) -> None:
        self._stream, self._source, self._limit = stream, source, limit
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        # tarfile reads extended headers at one go, of whatever size they claim.
        if not 0 <= size <= 16 * _CHUNK:
            raise _damaged(self._source, f"a header of {size} bytes")
        if self._stream.tell() > self._limit:
            raise _too_large(self._source, self._limit)
        self.last = self._stream.read(size)
        return self.last

    def seek(self, position: int) -> None:
        if position > self._limit:
            raise _too_large(self._source, self._limit)
        self._stream.seek(position)

    def tell(self) -> int:
        return self._stream.tell()


def _reader(
    open_member: Callable[..., BinaryIO], info: object, source: str
) -> Callable[[], Iterator[bytes]]:
    def read() -> Iterator[bytes]:
        with damage_of(source), open_member(info) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk

    return read


def _safe_name(name: str, source: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if (
        path.is_absolute()
        or ".." in path.parts
        or "\0" in name
        or "\\" in name
        or re.match("[A-Za-z]:", name)
    ):
        raise _refused(source, name, "a name inside the folder", "one that may lead elsewhere")
    return path


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return f"a link to {info.linkname!r}"
    return "a sparse file" if info.issparse() else "a device or pipe"


def _damaged(source: str, why: str) -> InputError:
    return InputError(
        f"{source}: expected a whole archive, found a damaged or incomplete one ({why}); get it "
        "again."
    )


def _refused(source: str, name: str, expected: str, found: str) -> InputError:
    return InputError(
        f"{source}: expected {expected}, found {found}: {name!r}; nothing was unpacked, since this "
        "is not the archive as published."
    )


def _too_large(source: str, limit: int) -> InputError:
    return InputError(
        f"{source}: expected at most {limit / 1e9:g} GB of content, found more; nothing was "
        "unpacked, since this is not the archive as published."
    )
