"""The YAML text of a drafted protocol, with its comments."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pmrnet.data.section import DataSection
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.protocol_file import SCORING

_WIDTH = 100


@dataclass(frozen=True)
class Draft:
    """What a drafted protocol says.

    Attributes
    ----------
    name
        Name of the data set.
    origin
        Name of the folder that was searched.
    splits
        Subjects by split; a split without subjects is left out.
    subjects
        Their files.
    labels
        Scored labels and their names, perhaps none.
    notes
        Comments, a sentence each.
    """

    name: str
    origin: str
    splits: Mapping[str, Sequence[str]]
    subjects: Mapping[str, SubjectFiles]
    labels: Mapping[int, str]
    notes: Sequence[str]


def protocol_text(draft: Draft, folder: Path) -> str:
    """YAML text of a draft.

    Parameters
    ----------
    draft
        Its content.
    folder
        Folder that the file will lie in; paths are relative to it.
    """
    count = len(draft.subjects)
    parts = [
        _comment(
            [
                f"Drafted from the folder {draft.origin}: look it through and change what is "
                "wrong; `*` stands for a subject's name."
            ],
            "",
        ),
        _comment(draft.notes, "- "),
        _dump({"name": draft.name}),
        _dump({"description": f"{count} subjects found in {draft.origin}."}),
        "\n",
        _comment(
            [
                "Split by the order of names. Put all volumes of one person, siblings included if "
                "you can, into one split."
            ],
            "",
        ),
        *(_dump({split: list(names)}, flow=True) for split, names in draft.splits.items() if names),
    ]
    if draft.labels:
        parts += [
            "\n",
            _comment(["How a pair is scored; the code implements these and no others."], ""),
            _dump({"scoring": {**SCORING, "spacing_mm": 1.0}}),
            "\n",
            _comment(
                ["The scored labels: strike out those that are no structure of interest."], ""
            ),
            _dump({"labels": dict(draft.labels)}),
            "\n",
            _comment(["Regions of the table: any names, with the labels that they average."], ""),
            "groups:\n",
            textwrap.indent(_dump({"All": list(draft.labels)}, flow=True), "  "),
        ]
    parts += [
        "\n",
        _comment(
            [
                "The network's grid in mm, multiples of 32, holds an adult's brain in ICBM152 "
                "space. Paths are relative to this file."
            ],
            "",
        ),
        "data:\n  source: files\n",
        f"  shape: {list(DataSection.shape)}\n  subjects:\n",
        textwrap.indent(_dump(_paths(draft.subjects, folder)), "    "),
    ]
    return "".join(parts)


def _paths(subjects: Mapping[str, SubjectFiles], folder: Path) -> dict[str, dict[str, str]]:
    return {
        name: {
            kind: _relative(path, folder)
            for kind, path in files._asdict().items()
            if path is not None
        }
        for name, files in subjects.items()
    }


def _relative(path: Path, folder: Path) -> str:
    """Path from `folder`, or the absolute one where there is none, as between Windows' drives."""
    path, folder = Path(os.path.abspath(path)), Path(os.path.abspath(folder))
    try:
        text = Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return path.as_posix()
    # A home folder is read at the beginning of a path otherwise.
    return f"./{text}" if text.startswith("~") else text


def _dump(content: Mapping[Any, Any], flow: bool = False) -> str:
    return yaml.safe_dump(
        dict(content),
        default_flow_style=None if flow else False,
        sort_keys=False,
        allow_unicode=True,
        # Paths and names stay on one line each; lists are wrapped, after the word that is too much.
        width=_WIDTH - 16 if flow else 10**6,
    )


def _comment(sentences: Sequence[str], bullet: str) -> str:
    lines = []
    for sentence in sentences:
        # Names of files may hold line breaks, after which there would be no comment any more, and
        # characters that YAML refuses.
        text = " ".join(sentence.split())
        lines += textwrap.wrap(
            "".join(c if c.isprintable() else "?" for c in text),
            _WIDTH,
            initial_indent=f"# {bullet}",
            subsequent_indent=f"# {' ' * len(bullet)}",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "".join(f"{line}\n" for line in lines)
