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
    records = {
        path.parent.name: record
        for path in sorted(out.glob("*/subject.json"))
        if (record := json.loads(path.read_text())).get("settings_hash") == settings_hash
        and path.parent.name not in failed
    }
    records |= {s.name: json.loads((s.folder / "subject.json").read_text()) for s in subjects}
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
