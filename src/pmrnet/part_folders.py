"""Temporary folders of processes that were killed before they could name or remove them."""

from __future__ import annotations

import glob
import os
import platform
import re
import secrets
import shutil
import zlib
from pathlib import Path

import psutil

#: of this machine: others may share the folder and number processes alike
HOST = f"{zlib.crc32(platform.node().encode()):08x}"
#: what the names of this machine's temporary folders begin with
PREFIX = f".part-{HOST}-"


def part_path(parent: Path, name: str) -> Path:
    """New name for this process' temporary folder of a result, as `remove_leftovers` knows it."""
    return parent / f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}-{name}"


def remove_leftovers(parent: Path, prefix: str, name: str) -> None:
    """Delete the temporary folders of a result whose processes are gone.

    Parameters
    ----------
    parent
        Where they lie; it need not be there.
    prefix, name
        The folders are called ``<prefix><process>-<8 hexadecimal digits>-<name>``. Others stay.
    """
    for path in parent.glob(f"{glob.escape(prefix)}*-{glob.escape(name)}"):
        made_by = re.match(rf"{re.escape(prefix)}(\d{{1,9}})-[0-9a-f]{{8}}-", path.name)
        if made_by and path.is_dir() and not psutil.pid_exists(int(made_by[1])):
            shutil.rmtree(path, ignore_errors=True)
