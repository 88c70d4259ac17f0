"""A protocol's file that is right, and ways to change it."""

from pathlib import Path

import yaml

VALID = {
    "name": "tiny",
    "train": ["a", "b"],
    "validation": ["c", "d"],
    "test": ["p", "q", "r"],
    "scoring": {
        "pairs": "all_ordered",
        "space": "fixed_native",
        "spacing_mm": 1.0,
        "interpolation": "nearest",
        "compositions": "single",
        "dice": "label_group_pair",
    },
    "labels": {1: "one", 2: "two", 3: "three"},
    "not_scored": {9: "no signal"},
    "groups": {"Left": [1, 2], "Right": [3]},
}


def write(folder: Path, content) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def changed(**changes):
    return VALID | changes


def without(key):
    return {k: v for k, v in VALID.items() if k != key}


def bare(**changes):
    """A protocol without labels."""
    return {k: VALID[k] for k in ("name", "train", "validation")} | changes
