"""The labels that the label maps of all subjects have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from pmrnet.data.batch import run_batch
from pmrnet.data.label_ids import label_ids
from pmrnet.data.label_names import NO_REGION, label_names
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.data.volume import load_labels
from pmrnet.errors import InputError


def find_common_labels(
    subjects: Mapping[str, SubjectFiles], notes: list[str], console: Console | None = None
) -> tuple[dict[str, SubjectFiles], dict[int, str]]:
    """Read the label maps.

    Parameters
    ----------
    subjects
        Files by subject.
    notes
        Where sentences on what was found and left out are added.
    console
        Where progress goes; the standard error if None.

    Returns
    -------
    dict
        The subjects, without label maps that cannot be read.
    dict
        The labels that all maps have, and their names; empty if there is nothing to score.
    """
    subjects = dict(subjects)
    jobs = {name: (files.labels,) for name, files in subjects.items() if files.labels}
    if not jobs:
        notes.append("no label maps were found: networks can be trained, but not scored")
        return subjects, {}
    found: dict[str, list[int]] = {}
    for name, result in run_batch("Reading labels", _read_ids, jobs, 1, console).items():
        if isinstance(result, str):
            notes.append(f"labels of {name} left out, since they cannot be used ({result})")
            subjects[name] = subjects[name]._replace(labels=None)
        else:
            found[name] = result
    if len(found) < 2:
        notes.append("too few label maps to score with: two or more subjects need one")
        return subjects, {}
    counts = Counter(label for labels in found.values() for label in labels)
    common = {label for label, count in counts.items() if count == len(found)}
    names, whose = label_names(counts)
    if partial := [label for label in sorted(counts) if label not in common]:
        listed = ", ".join(f"{label} ({counts[label]})" for label in partial)
        notes.append(
            f"labels that not all {len(found)} label maps have, with the number of those that do, "
            f"hence not scored: {listed}"
        )
    if nothing := sorted(common & NO_REGION) if whose == "FreeSurfer" else []:
        notes.append(f"labels that are no region, hence not scored: {', '.join(map(str, nothing))}")
        common -= NO_REGION
    if not common:
        notes.append(
            "NO LABEL is in all label maps, so that nothing is scored: do they belong together?"
        )
        return subjects, {}
    if whose:
        notes.append(f"names of labels: their numbers are {whose}'s")
    else:
        notes.append("names of labels: their numbers are not known here, so put the right names")
    return subjects, {label: names[label] for label in sorted(common)}


def _read_ids(path: Path) -> list[int] | str:
    """Labels in a map, or why it cannot be read."""
    try:
        return label_ids(load_labels(path).data)
    except InputError as error:
        return str(error).rstrip(".")
