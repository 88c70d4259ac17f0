"""The first stage of the preparation: affine alignment to the template, kept on disk.

It takes most of the time and depends on the image, its mask, its orientation and the settings of
the alignment alone, so its result is kept in ``affine.json`` and used again when what comes after
it changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pmrnet.data.affine import AffineSettings, estimate_affine
from pmrnet.data.prepared import versions, without_paths, write_json
from pmrnet.data.template import icbm152_volume
from pmrnet.data.volume import Volume, canonical, check_affine

FILE = "affine.json"

# Raise when the same inputs and settings would give another matrix than before.
_FORMAT = 1
_ROLES = ("image", "mask")


def align_to_template(
    folder: Path,
    brain: Volume,
    inputs: Mapping[str, Any],
    settings: AffineSettings,
    quick: bool = False,
) -> dict[str, Any]:
    """Align a brain to the template, or read the alignment made before of the same.

    Parameters
    ----------
    folder
        The subject's folder, to keep the result in.
    brain
        Brain in its native grid, zero outside.
    inputs
        What `pmrnet.data.prepared.describe_inputs` says of its files.
    settings
        Settings of the alignment.
    quick
        See `estimate_affine`.

    Returns
    -------
    dict
        ``template_to_subject``, the 4x4 matrix from RAS+ mm of the template to RAS+ mm of the
        subject, as lists; ``settings_hash``; ``versions`` of the packages that made it; and
        ``identity``: settings, input checksums and native affine that it holds for.

    Raises
    ------
    InputError
        If no alignment is found, or the folder cannot be written to.
    """
    own = {role: entry for role, entry in inputs.items() if role in _ROLES}
    # Named only where it is so: what is kept of the protocols' subjects stays as it is.
    options = {"format": _FORMAT, **asdict(settings), **({"quick": True} if quick else {})}
    identity = {
        "settings": options,
        "inputs": without_paths(own),
        "native_affine": brain.affine.tolist(),
    }
    identity = json.loads(json.dumps(identity))  # tuples become the lists that the file holds
    path = folder / FILE
    if (stored := _stored(path, identity)) is not None:
        return stored
    matrix = estimate_affine(canonical(brain), icbm152_volume(), settings, quick=quick)
    text = json.dumps(identity["settings"], sort_keys=True)
    record = {
        "template_to_subject": np.asarray(matrix).tolist(),
        "settings_hash": hashlib.sha256(text.encode()).hexdigest()[:16],
        "versions": versions(),
        "identity": identity,
    }
    write_json(path, record)
    return record


def _stored(path: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read a kept alignment, if it is whole and of the same inputs and settings."""
    try:
        record = json.loads(path.read_text())
        check_affine(record["template_to_subject"], str(path))
        return record if record["identity"] == identity else None
    except (OSError, ValueError, KeyError, TypeError):  # InputError is a ValueError
        return None
