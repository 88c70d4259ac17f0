"""Reading a YAML file, and the checks of its values that name the file and the key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

from pmrnet.errors import InputError


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML's safe loader, which otherwise lets the last of two equal keys win silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for key, count in Counter(map(str, keys)).items() if count > 1]
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice[0]!r} appears twice", node.start_mark
            )
        return super().construct_mapping(node, deep=deep)


def load_yaml(path: Path) -> Any:
    """Read a YAML file, no key of a mapping twice.

    Parameters
    ----------
    path : pathlib.Path
        An existing file.

    Returns
    -------
    object
        What is in the file, of YAML's own types.

    Raises
    ------
    InputError
        If it is not YAML in UTF-8, or has a key twice.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"Expected {path} to be a YAML file, but it cannot be read ({reason}): correct it."
        ) from error
    except ValueError as error:  # of a date that there is not
        raise InputError(
            f"Expected names in {path} that YAML takes for text, found one that it takes for a "
            f"date ({error}): put it between quotes."
        ) from error


class Checker:
    """Checks of one file's values; every complaint names the file and the key.

    Parameters
    ----------
    path : pathlib.Path
        The file, for the messages.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def fail(self, key: str, expected: str, found: object) -> NoReturn:
        """Refuse the file because of what is at `key`."""
        raise InputError(
            f"Expected {expected} at {key!r} in {self.path}, found {found}: correct the file."
        )

    def mapping(self, value: object, key: str) -> dict[Any, Any]:
        """Return `value` if it is a mapping that is not empty."""
        if not isinstance(value, dict) or not value:
            self.fail(key, "a mapping that is not empty", repr(value))
        return value

    def sequence(
        self, value: object, key: str, kind: type, what: str, empty: bool = False
    ) -> tuple[Any, ...]:
        """Return `value` as a tuple if it is a list of different `kind`, by default not empty."""
        if not isinstance(value, list) or not (value or empty):
            self.fail(key, f"a list of {what}{'' if empty else ' that is not empty'}", repr(value))
        for item in value:
            self.item(item, key, kind, what)
        twice = [item for item, count in Counter(value).items() if count > 1]
        if twice:
            self.fail(key, f"different {what}", f"{twice[0]!r} twice")
        return tuple(value)

    def item(self, value: object, key: str, kind: type | tuple[type, ...], what: str) -> None:
        """Refuse a value that is not of a kind, or an empty text."""
        # bool is a subclass of int, and YAML reads "yes" as true.
        if not isinstance(value, kind) or isinstance(value, bool) or value == "":
            self.fail(key, what, repr(value))

    def keys(self, found: Sequence[object], required: Sequence[str], known: Sequence[str]) -> None:
        """Refuse unknown keys and the lack of a required one."""
        for key in found:
            if key not in known:
                self.fail(str(key), f"only the keys {', '.join(known)}", f"the unknown key {key!r}")
        for key in required:
            if key not in found:
                self.fail(key, "a value", "none")
