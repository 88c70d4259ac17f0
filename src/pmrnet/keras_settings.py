"""What Keras is set to, found without importing it."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pmrnet.errors import InputError

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


def keras_faults() -> list[tuple[str, str]]:
    """What of Keras' settings the networks cannot run with, and what to do about each."""
    path, settings = keras_settings()
    source = "KERAS_BACKEND" if os.environ.get("KERAS_BACKEND") else str(path)
    name, faults = backend_name(), []
    if name not in BACKENDS:
        faults.append(
            (
                f"Keras backend: {source} names {name!r}, the networks run on "
                f"{' and '.join(BACKENDS)}.",
                f"Unset it, or set KERAS_BACKEND={BACKENDS[0]}.",
            )
        )
    elif find_spec(name) is None:
        faults.append(
            (
                f"Keras backend: {source} names {name}, which is not installed.",
                f"Install {name}, or set KERAS_BACKEND to an installed one of "
                f"{', '.join(BACKENDS)}.",
            )
        )
    for key, expected in (("floatx", "float32"), ("image_data_format", "channels_last")):
        if settings.get(key, expected) != expected:
            faults.append(
                (
                    f"Keras: {path} sets {key} to {settings[key]!r}, the networks take "
                    f"{expected!r}.",
                    "Change it there, or set KERAS_HOME to another folder for this project alone.",
                )
            )
    return faults


def check_keras() -> None:
    """Refuse settings that the networks cannot run with.

    Raises
    ------
    InputError
        With the first of `keras_faults`.
    """
    for what, remedy in keras_faults():
        raise InputError(f"{what} {remedy}")
