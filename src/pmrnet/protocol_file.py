"""Reading a protocol's YAML file and checking every key of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pmrnet.data.section import DataSection, default_source, read_data_section
from pmrnet.yaml_file import Checker, load_yaml

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
_REQUIRED = ("name", "train", "validation")
_OPTIONAL = ("test", "scoring", "labels", "groups", "merge", "not_scored", "same_person", "data")
_KNOWN = (*_REQUIRED, *_OPTIONAL, *_TEXTS)
# The one group of labels that the file puts into none.
_ALL = "All"


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
    return _ProtocolChecker(path).protocol(load_yaml(path))


class _ProtocolChecker(Checker):
    """Turns the content of one file into a protocol."""

    def protocol(self, content: object) -> dict[str, Any]:
        content = self.mapping(content, "(top level)")
        self.keys(list(content), _REQUIRED, _KNOWN)
        self.folder_name(content["name"], "name")
        for key in _TEXTS:
            self.item(content.get(key, "-"), key, str, "a text")
        # Without a test split there is nothing to score, but networks can be trained.
        subjects = {
            split: self.sequence(
                content.get(split, []), split, str, "subject names", empty=split == "test"
            )
            for split in SPLITS
        }
        split_of = self.splits(subjects)
        if "same_person" in content:
            self.same_person(content["same_person"], split_of)
        scored = self.scored(content)
        if "data" in content:
            labelled = (*subjects["validation"], *subjects["test"]) if scored["labels"] else ()
            data = read_data_section(self, content["data"], content["name"], split_of, labelled)
        else:
            data = DataSection(default_source(content["name"]))
        return {
            "name": content["name"],
            **subjects,
            **scored,
            "spacing_mm": self.scoring(content["scoring"]) if "scoring" in content else 1.0,
            "data": data,
        }

    def folder_name(self, value: object, key: str) -> None:
        self.item(value, key, str, "a text")
        if value == ".." or Path(value).name != value:
            self.fail(key, "a name that a folder can have", repr(value))

    def splits(self, subjects: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
        split_of: dict[str, str] = {}
        for split, names in subjects.items():
            if len(names) < 2 and (names or split != "test"):
                self.fail(split, "two or more subjects, since one makes no pair", len(names))
            for name in names:
                self.folder_name(name, split)
                if name in split_of:
                    where = f"{name!r} in {split_of[name]!r} too"
                    self.fail(split, "subjects of no other split", where)
                split_of[name] = split
        return split_of

    def same_person(self, value: object, split_of: Mapping[str, str]) -> None:
        key = "same_person"
        if not isinstance(value, list) or not value:
            self.fail(key, "a list of lists of subject names that is not empty", repr(value))
        seen: set[str] = set()
        for group in value:
            names = self.sequence(group, key, str, "subject names")
            if len(names) < 2:
                self.fail(key, "two or more names of a person", repr(group))
            for name in names:
                if name not in split_of:
                    self.fail(key, "subjects of the splits", repr(name))
                if name in seen:
                    self.fail(key, "every name once", f"{name!r} twice")
                if split_of[name] != split_of[names[0]]:
                    where = [f"{n!r} in {split_of[n]!r}" for n in (names[0], name)]
                    self.fail(key, "one person in one split", " and ".join(where))
                seen.add(name)

    def scored(self, content: Mapping[str, Any]) -> dict[str, dict]:
        if "labels" not in content:
            for key in ("groups", "merge", "not_scored"):
                if key in content:
                    self.fail("labels", f"a value, since there is one at {key!r}", "none")
            return {"labels": {}, "groups": {}, "merge": {}, "not_scored": {}}
        labels = self.labels(content["labels"], "labels")
        not_scored = {}
        if "not_scored" in content:
            not_scored = self.labels(content["not_scored"], "not_scored")
        if both := labels.keys() & not_scored.keys():
            self.fail("not_scored", "labels that are not in 'labels'", min(both))
        groups = {_ALL: tuple(labels)}
        if "groups" in content:
            groups = self.groups(content["groups"], labels)
        merge = {}
        if "merge" in content:
            merge = self.merge(content["merge"], labels, not_scored)
        return {"labels": labels, "groups": groups, "merge": merge, "not_scored": not_scored}

    def labels(self, value: object, key: str) -> dict[int, str]:
        labels = self.mapping(value, key)
        for label, name in labels.items():
            self.label(label, key)
            self.item(name, f"{key}: {label}", str, "a text")
        return labels

    def label(self, value: object, key: str) -> None:
        self.item(value, key, int, "whole numbers as labels")
        if value <= 0:
            self.fail(key, "positive labels (0 is the background)", value)

    def groups(self, value: object, labels: Collection[int]) -> dict[str, tuple[int, ...]]:
        groups = {}
        for name, members in self.mapping(value, "groups").items():
            self.item(name, "groups", str, "texts as names")
            key = f"groups: {name}"
            groups[name] = self.sequence(members, key, int, "labels")
            for label in groups[name]:
                if label not in labels:
                    self.fail(key, "labels that are listed in 'labels'", label)
        return groups

    def merge(
        self, value: object, labels: Collection[int], not_scored: Collection[int]
    ) -> dict[int, int]:
        merge = self.mapping(value, "merge")
        for label, target in merge.items():
            self.label(label, "merge")
            key = f"merge: {label}"
            self.label(target, key)
            if target in merge:
                self.fail(key, "a label that is not merged into another itself", target)
            if target not in labels:
                self.fail(key, "a label that is listed in 'labels'", target)
            if label in labels:
                self.fail("merge", "labels that are not in 'labels'", label)
            if label in not_scored:
                self.fail("merge", "labels that are not in 'not_scored'", label)
        return merge

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
