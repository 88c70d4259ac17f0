"""What this process may use of the machine: cores and memory, a container's limits included."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import psutil

_ROOT = Path("/")


def usable_cores(root: Path = _ROOT) -> float:
    """Cores that this process may use: those it is bound to, or its control group's share if less.

    Parameters
    ----------
    root
        Root of the file system in which the control groups are looked up.
    """
    bound = hasattr(os, "sched_getaffinity")  # only Linux tells
    cores = float(len(os.sched_getaffinity(0)) if bound else os.cpu_count() or 1)
    for folder in _control_groups(root, "cpu"):
        words = _words(folder / "cpu.max") or [
            *_words(folder / "cpu.cfs_quota_us"),
            *_words(folder / "cpu.cfs_period_us"),
        ]
        if len(words) == 2 and all(word.isdigit() for word in words):  # not "max" or -1
            cores = min(cores, int(words[0]) / int(words[1]))
    return cores


def free_memory(root: Path = _ROOT) -> int:
    """Bytes of memory that new work can have: the machine's, or its control group's rest if less.

    Parameters
    ----------
    root
        As for `usable_cores`.
    """
    free = psutil.virtual_memory().available
    for folder in _control_groups(root, "memory"):
        for limit, used, cache in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            granted, taken = (_number(_words(folder / name)) for name in (limit, used))
            if granted is None or taken is None:
                continue
            words = _words(folder / "memory.stat")
            # Files kept in memory make room when it is needed.
            kept = _number(words[words.index(cache) + 1 :]) if cache in words else 0
            free = min(free, max(granted - taken + (kept or 0), 0))
    return free


def _control_groups(root: Path, controller: str) -> list[Path]:
    """Folders of this process's control group and of those above it, of either version."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return []
    mount = root / "sys/fs/cgroup"
    folders = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2
            bases = [mount, mount / "unified"]
        elif controller in controllers.split(","):
            bases = [mount / controllers, mount / controller]
        else:
            continue
        inner = PurePosixPath(path.lstrip("/"))
        # A container sees its own group as the root, under whatever path it has outside.
        folders += [base / part for base in bases for part in (inner, *inner.parents)]
    return list(dict.fromkeys(folders))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []


def _number(words: list[str]) -> int | None:
    return int(words[0]) if words and words[0].isdigit() else None
