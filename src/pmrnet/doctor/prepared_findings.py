"""Which subjects are prepared, from what, and how well they are aligned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pmrnet.data.prepare import POOR_OVERLAP, PrepareSettings
from pmrnet.data.prepared import PreparedSubject, without_paths
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.doctor.finding import Finding, some
from pmrnet.doctor.raw_files import RawReport
from pmrnet.errors import InputError
from pmrnet.protocol import SPLITS, Protocol


def load_prepared(protocol: Protocol, folder: Path) -> dict[str, PreparedSubject]:
    """Those of a protocol's subjects that are prepared in a folder and whole."""
    found = {}
    for name in (name for split in SPLITS for name in getattr(protocol, split)):
        try:
            subject = PreparedSubject.load(folder / name, merge=protocol.merge)
            _ = subject.image
        except InputError:
            continue
        found[name] = subject
    return found


def recorded_files(subject: PreparedSubject) -> SubjectFiles:
    """Files that a subject was prepared from."""
    inputs = _record(subject)["inputs"]
    return SubjectFiles(
        **{role: Path(inputs[role]["path"]) for role in SubjectFiles._fields if role in inputs}
    )


def prepared_findings(
    protocol: Protocol,
    subjects: Mapping[str, PreparedSubject],
    reports: Mapping[str, RawReport],
    command: str,
) -> list[Finding]:
    """Findings on the prepared subjects.

    Parameters
    ----------
    protocol
        Splits, and the grid that networks see.
    subjects
        What `load_prepared` gives.
    reports
        What was read from the raw files, by subject.
    command
        The command that prepares them.
    """
    if not subjects:
        return [Finding("warning", "No subject is prepared yet.", f"Run `{command}`.")]
    findings = [Finding("ok", f"Prepared: {len(subjects)} subjects.")]
    for split in SPLITS:
        names = getattr(protocol, split)
        absent = [name for name in names if name not in subjects]
        if absent:
            what = f"{split}: {len(absent)} of {len(names)} not prepared ({some(absent)})."
            findings.append(Finding("warning", what, f"Run `{command}`."))
    for what, names in (
        ("prepared from other files than those that are there now", _changed(subjects, reports)),
        ("prepared with other settings than the present ones", _outdated(protocol, subjects)),
    ):
        if names:
            advice = f"Run `{command}`, which prepares them anew."
            findings.append(Finding("warning", f"{some(names)}: {what}.", advice))
    findings += [
        Finding(
            "warning",
            f"{name}: only {subject.overlap:.0%} of the brain lies inside the template after the "
            "alignment.",
            f"Look at {subject.folder / 'image.npy'}: is it a brain alone, and upright? Correct "
            "the image or its header, or leave the subject out.",
        )
        for name, subject in subjects.items()
        if subject.overlap < POOR_OVERLAP
    ]
    return findings


def _changed(
    subjects: Mapping[str, PreparedSubject], reports: Mapping[str, RawReport]
) -> list[str]:
    changed = []
    for name, subject in subjects.items():
        if name not in reports:
            continue
        then, now = without_paths(_record(subject)["inputs"]), reports[name].inputs
        # A file that cannot be read is told of as such; labels and masks may come and go.
        if any(now[role] != then.get(role) for role in now) or (
            not reports[name].problems and then.keys() != now.keys()
        ):
            changed.append(name)
    return changed


def _outdated(protocol: Protocol, subjects: Mapping[str, PreparedSubject]) -> list[str]:
    if protocol.data.source == "demo":  # made, not prepared
        return []
    present = PrepareSettings(shape=protocol.data.shape).hash()
    return [name for name, s in subjects.items() if _record(s).get("settings_hash") != present]


def _record(subject: PreparedSubject) -> dict[str, Any]:
    return json.loads((subject.folder / "subject.json").read_text())
