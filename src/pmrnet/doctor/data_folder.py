"""Checks of a data set: its files, its labels and what was prepared of it."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from pmrnet.data.batch import try_batch
from pmrnet.doctor.finding import Finding
from pmrnet.doctor.prepared_findings import load_prepared, prepared_findings, recorded_files
from pmrnet.doctor.raw_files import read_files
from pmrnet.doctor.raw_findings import raw_findings
from pmrnet.doctor.start_dice import start_findings
from pmrnet.errors import InputError
from pmrnet.make_command import make_command
from pmrnet.protocol import SPLITS, Protocol


def check_data(
    protocol: Protocol | str | os.PathLike[str],
    prepared_folder: str | os.PathLike[str],
    processes: int | None = None,
    console: Console | None = None,
) -> list[Finding]:
    """Check a data set's files and what was prepared of them; every file is read once.

    Parameters
    ----------
    protocol
        The protocol, or its name or YAML file, mistakes in which become a finding.
    prepared_folder
        Folder of its prepared subjects, which need not exist.
    processes
        Number of processes that read files, this one alone if 1; as many as cores if None.
    console
        Where progress goes; the standard error if None.

    Returns
    -------
    list of Finding
    """
    console = console or Console(stderr=True)
    given = None
    if not isinstance(protocol, Protocol):
        given = os.fspath(protocol)
        try:
            protocol = Protocol.load(given)
        except InputError as error:
            return [Finding("error", str(error))]
    command = make_command("data", given or protocol.name)
    names = [name for split in SPLITS for name in getattr(protocol, split)]
    counts = ", ".join(f"{len(getattr(protocol, split))} {split}" for split in SPLITS)
    findings = [
        Finding("ok", f"Protocol {protocol.name}: {counts}; {len(protocol.labels)} labels.")
    ]
    prepared = load_prepared(protocol, Path(prepared_folder))
    if protocol.data.source == "files":
        files = {n: protocol.data.subjects[n] for n in names if n in protocol.data.subjects}
    else:
        files = {name: recorded_files(subject) for name, subject in prepared.items()}
    if not files:
        what = f"No files of {protocol.name} are known before it is prepared."
        return [*findings, Finding("warning", what, f"Run `{command}`.")]
    jobs = {name: (paths, list(protocol.labels), protocol.merge) for name, paths in files.items()}
    reports, failed = try_batch("Reading files", read_files, jobs, processes, console)
    findings += [
        Finding("error", f"{name}: {' '.join(str(error).split())}")
        for name, error in failed.items()
    ]
    return [
        *findings,
        *raw_findings(protocol, reports),
        *prepared_findings(protocol, prepared, reports, command),
        *start_findings(protocol, prepared, console),
    ]
