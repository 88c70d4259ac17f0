"""Where a number comes from: code, versions, machine, data and configuration.

Nothing here imports TensorFlow, Keras or JAX, and nothing names a person, a host or a folder: the
records are published beside the results.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import psutil

import pmrnet
from pmrnet.keras_settings import backend_name

_PACKAGES = ("numpy", "tensorflow", "keras", "jax")
_UNKNOWN = "unknown"


def canonical_json(content: object) -> str:
    """JSON text that is the same for equal content: sorted keys, no spaces.

    Parameters
    ----------
    content : object
        Built of mappings with text keys, lists, texts, numbers, booleans and None.

    Returns
    -------
    str
    """
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def sha256_of(content: object) -> str:
    """SHA-256 of `canonical_json` of `content`, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def config_sha256(config: Mapping[str, Any]) -> str:
    """Hash of an experiment's configuration as `collect` records it, absolute paths cut."""
    return sha256_of(_publishable(config))


def collect(
    config: Mapping[str, Any],
    data: Mapping[str, Any],
    seed: int | None,
    steps: int | None,
    weights_sha256: str | None,
    accelerator: str | None = None,
) -> dict[str, Any]:
    """Describe how a result is made, in a form that can be stored as JSON.

    Parameters
    ----------
    config : mapping
        The experiment's configuration. Absolute paths in it are cut to their last component,
        since they say something of the machine and nothing of the result.
    data : mapping
        What the data are: name, versions, checksums; paths are cut likewise.
    seed : int or None
        Seed of the training.
    steps : int or None
        Training steps taken.
    weights_sha256 : str or None
        SHA-256 of the weights file; None for a method without weights.
    accelerator : str, optional
        Model of the GPU that did the work. Asking for it here would import a framework.

    Returns
    -------
    dict
        Keys ``package``, ``git``, ``python``, ``packages``, ``backend``, ``machine``,
        ``config``, ``config_sha256``, ``data``, ``seed``, ``steps``, ``weights_sha256`` and
        ``created`` (UTC, ISO 8601).
    """
    return {
        "package": f"pmrnet {pmrnet.__version__}",
        "git": git_state(Path(__file__).resolve().parent),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "backend": backend_name(),
        "machine": {
            "system": platform.system(),
            "cpu": _cpu_model(),
            "cores": _cores(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "accelerator": accelerator,
        },
        "config": _publishable(config),
        "config_sha256": config_sha256(config),
        "data": _publishable(data),
        "seed": seed,
        "steps": steps,
        "weights_sha256": weights_sha256,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def git_state(folder: Path) -> dict[str, Any]:
    """Commit of the checkout or of the archive that `folder` belongs to.

    Parameters
    ----------
    folder : pathlib.Path
        A folder of sources.

    Returns
    -------
    dict
        ``commit`` (40 hexadecimal digits) and ``dirty``: whether files in `folder` differ from
        the commit, new ones included. Both are "unknown" where git has no commit or does not
        track the folder: a package installed inside some other project's checkout must not be
        reported with that project's commit. Of an archive (`git archive`, or the ZIP file that
        GitHub makes) the commit is known, and whether it was changed is not.
    """
    unknown = {"commit": _archived_commit(folder), "dirty": _UNKNOWN}
    if not _git(folder, "ls-files", "--", "."):
        return unknown
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    status = _git(folder, "status", "--porcelain", "--", ".")
    if not commit or status is None:
        return unknown
    return {"commit": commit, "dirty": bool(status)}


def _archived_commit(folder: Path) -> str:
    """What git wrote in place of the placeholder (`export-subst`) when it made an archive."""
    with suppress(OSError):
        text = (folder / ".git_archival.txt").read_text(encoding="ascii").strip()
        if re.fullmatch("[0-9a-f]{40}", text):
            return text
    return _UNKNOWN


def _git(folder: Path, *arguments: str) -> str | None:
    # Inside a git hook these variables point at the repository of the hook.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine() or _UNKNOWN


def _cores() -> int:
    # A container or a batch system often grants fewer than the machine has.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _publishable(value: Any) -> Any:
    """`value` as JSON types, absolute and home paths cut to their last component."""
    if isinstance(value, Mapping):
        return {str(key): _publishable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_publishable(item) for item in value]
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        if PureWindowsPath(value).is_absolute():
            return PureWindowsPath(value).name
        if value.startswith(("/", "~")):
            return PurePosixPath(value).name
        return value
    if hasattr(value, "item"):  # NumPy scalars, which json refuses
        return value.item()
    return value
