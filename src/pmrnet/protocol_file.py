"""Reading a protocol's YAML file and checking every key of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

from pmrnet.errors import InputError

# What the evaluation implements. The YAML states it all the same: a protocol file is read by
# people too, and one that asks for anything else must not be scored silently in another way.
SCORING: dict[str, str] = {
    "pairs": "all_ordered",
    "space": "fixed_native",
    "interpolation": "nearest",
    "compositions": "single",
    "dice": "label_group_pair",
}
SPLITS = ("train", "validation", "test")
_TEXTS = ("description", "notes")
_REQUIRED = ("name", *SPLITS, "scoring", "labels", "groups")
_KNOWN = (*_REQUIRED, *_TEXTS, "not_scored")


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


def read_protocol(path: Path) -> dict[str, Any]:
    """Read and check a protocol file.

    Parameters
    ----------
    path : pathlib.Path
        An existing YAML file.

    Returns
    -------
    dict
        The fields of `pmrnet.protocol.Protocol`.

    Raises
    ------
    InputError
        If the file is not YAML, or if a key is missing, unknown, of the wrong type or contradicts
        another; the message names the file and the key.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.load(text, Loader=_UniqueKeyLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"Expected {path} to be a YAML file, but it cannot be read ({reason}): correct it."
        ) from error
    return _Checker(path).protocol(content)


class _Checker:
    """Turns the content of one file into a protocol; every complaint names file and key."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fail(self, key: str, expected: str, found: object) -> NoReturn:
        raise InputError(
            f"Expected {expected} at {key!r} in {self.path}, found {found}: correct the file."
        )

    def mapping(self, value: object, key: str) -> dict[Any, Any]:
        if not isinstance(value, dict) or not value:
            self.fail(key, "a mapping that is not empty", repr(value))
        return value

    def sequence(self, value: object, key: str, kind: type, what: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or not value:
            self.fail(key, f"a list of {what} that is not empty", repr(value))
        for item in value:
            self.item(item, key, kind, what)
        twice = [item for item, count in Counter(value).items() if count > 1]
        if twice:
            self.fail(key, f"different {what}", f"{twice[0]!r} twice")
        return tuple(value)

    def item(self, value: object, key: str, kind: type | tuple[type, ...], what: str) -> None:
        # bool is a subclass of int, and YAML reads "yes" as true.
        if not isinstance(value, kind) or isinstance(value, bool) or value == "":
            self.fail(key, what, repr(value))

    def keys(self, found: Sequence[object], required: Sequence[str], known: Sequence[str]) -> None:
        for key in found:
            if key not in known:
                self.fail(str(key), f"only the keys {', '.join(known)}", f"the unknown key {key!r}")
        for key in required:
            if key not in found:
                self.fail(key, "a value", "none")

    def protocol(self, content: object) -> dict[str, Any]:
        content = self.mapping(content, "(top level)")
        self.keys(list(content), _REQUIRED, _KNOWN)
        self.item(content["name"], "name", str, "a text")
        for key in _TEXTS:
            self.item(content.get(key, "-"), key, str, "a text")
        subjects = {
            split: self.sequence(content[split], split, str, "subject names") for split in SPLITS
        }
        self.splits(subjects)
        labels = self.labels(content["labels"], "labels")
        if "not_scored" in content:
            both = labels.keys() & self.labels(content["not_scored"], "not_scored").keys()
            if both:
                self.fail("not_scored", "labels that are not in 'labels'", min(both))
        return {
            "name": content["name"],
            **subjects,
            "labels": labels,
            "groups": self.groups(content["groups"], labels),
            "spacing_mm": self.scoring(content["scoring"]),
        }

    def splits(self, subjects: dict[str, tuple[str, ...]]) -> None:
        seen: dict[str, str] = {}
        for split, names in subjects.items():
            if len(names) < 2:
                self.fail(split, "two or more subjects, since one makes no pair", len(names))
            for name in names:
                if name in seen:
                    where = f"{name!r} in {seen[name]!r} too"
                    self.fail(split, "subjects of no other split", where)
                seen[name] = split

    def labels(self, value: object, key: str) -> dict[int, str]:
        labels = self.mapping(value, key)
        for label, name in labels.items():
            self.item(label, key, int, "whole numbers as labels")
            if label <= 0:
                self.fail(key, "positive labels (0 is the background)", label)
            self.item(name, f"{key}: {label}", str, "a text")
        return labels

    def groups(self, value: object, labels: dict[int, str]) -> dict[str, tuple[int, ...]]:
        groups = {}
        for name, members in self.mapping(value, "groups").items():
            self.item(name, "groups", str, "texts as names")
            key = f"groups: {name}"
            groups[name] = self.sequence(members, key, int, "labels")
            for label in groups[name]:
                if label not in labels:
                    self.fail(key, "labels that are listed in 'labels'", label)
        return groups

    def scoring(self, value: object) -> float:
        scoring = self.mapping(value, "scoring")
        known = (*SCORING, "spacing_mm")
        self.keys(list(scoring), known, known)
        for key, implemented in SCORING.items():
            if scoring[key] != implemented:
                self.fail(f"scoring: {key}", f"{implemented!r}", repr(scoring[key]))
        spacing = scoring["spacing_mm"]
        self.item(spacing, "scoring: spacing_mm", (int, float), "a number of millimetres")
        if not 0 < spacing < math.inf:
            self.fail("scoring: spacing_mm", "a positive number of millimetres", repr(spacing))
        return float(spacing)
