"""What Keras is set to, found without importing it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

#: Keras backends that the networks run on, Keras' own default first
BACKENDS = ("tensorflow", "jax")


def keras_settings() -> tuple[Path, dict[str, Any]]:
    """The file of Keras' settings, and what is in it; nothing if it is missing or damaged."""
    home = os.environ.get("KERAS_HOME")
    path = (Path(home) if home else Path.home() / ".keras") / "keras.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return path, {}
    return path, content if isinstance(content, dict) else {}


def backend_name() -> str:
    """Name of the backend that Keras runs on, known to the networks or not."""
    return os.environ.get("KERAS_BACKEND") or keras_settings()[1].get("backend") or BACKENDS[0]
