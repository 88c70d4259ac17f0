"""``manifest.json`` of a prepared data set: what it was made from, how, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pmrnet.data.prepared import PreparedSubject, versions, write_json

# Of each subject's own description; the settings are those of all.
_ENTRIES = (
    "inputs",
    "outputs",
    "affine",
    "grid_to_native",
    "native_affine",
    "native_shape",
    "orientation",
    "overlap",
    "notices",
    "versions",
)


def write_manifest(
    out: Path,
    settings: Mapping[str, Any],
    settings_hash: str,
    subjects: Iterable[PreparedSubject],
    failed: Mapping[str, Exception],
) -> None:
    """Write the manifest; the same inputs, settings and versions give the same file.

    Other subjects in the folder that were prepared with these settings, for another protocol, say,
    stay in it.

    Parameters
    ----------
    out
        Folder of the data set.
    settings, settings_hash
        Of the preparation.
    subjects
        Those that are prepared.
    failed
        The others' exceptions by name.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    done = {subject.name for subject in subjects}
    described = {
        p.parent.name: json.loads(p.read_text()) for p in sorted(out.glob("*/subject.json"))
    }
    records = {
        name: record
        for name, record in described.items()
        if name in done or (record.get("settings_hash") == settings_hash and name not in failed)
    }
    content = {
        "settings": settings,
        "settings_hash": settings_hash,
        "versions": versions(),
        "subjects": {
            name: {key: record.get(key) for key in _ENTRIES} for name, record in records.items()
        },
        "failed": {name: str(error) for name, error in failed.items()},
    }
    write_json(out / "manifest.json", content)
