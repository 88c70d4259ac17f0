"""Every start of a training: a run that was stopped may have gone on with other code elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pmrnet.files import atomic_write_text

_NAME = "starts.json"
_KEPT = ("created", "git", "python", "backend", "packages", "machine")


def add_start(folder: Path, provenance: Mapping[str, Any]) -> None:
    """Note a start in a run's folder.

    Parameters
    ----------
    folder
        Of the run.
    provenance
        From `pmrnet.provenance.collect`.
    """
    start = {key: provenance[key] for key in _KEPT}
    text = json.dumps([*read_starts(folder), start], indent=1)
    atomic_write_text(Path(folder) / _NAME, text + "\n")


def read_starts(folder: Path) -> list[dict[str, Any]]:
    """All starts so far, the first one first."""
    path = Path(folder) / _NAME
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
