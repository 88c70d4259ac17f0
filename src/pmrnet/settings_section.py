"""A section of an experiment file to settings: a dataclass that checks its own values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pmrnet.errors import InputError

Settings = TypeVar("Settings")


def check_keys(
    known: Sequence[str], content: Mapping[str, Any], section: str, path: object
) -> None:
    """Refuse keys that are not known.

    Raises
    ------
    InputError
        Naming them, and those that are.
    """
    unknown = [str(key) for key in content if key not in known]
    if unknown:
        raise InputError(
            f"{path}: {section}: expected only the keys {', '.join(known)}, found "
            f"{', '.join(unknown)}; correct the file."
        )


def read_settings(
    kind: type[Settings], content: object, section: str, path: object, example: str
) -> Settings:
    """Construct settings from a section; what it leaves out has its default.

    Parameters
    ----------
    kind
        The dataclass. Its lists are tuples, and wrong values raise InputError.
    content
        The section, as YAML gives it.
    section
        Its key in the file.
    path, example
        The file, and one to compare it with, for messages.

    Returns
    -------
    object
        Of `kind`.

    Raises
    ------
    InputError
        If the section is no mapping, a key is unknown or a value is not what it should be.
    """
    if not isinstance(content, Mapping):
        raise InputError(
            f"{path}: {section}: expected a mapping of settings, found {content!r}; compare with "
            f"{example}."
        )
    check_keys([field.name for field in dataclasses.fields(kind)], content, section, path)
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
    try:
        return kind(**plain)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
