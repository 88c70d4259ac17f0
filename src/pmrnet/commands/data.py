"""`data`, `draft` and `doctor`: from anyone's files to volumes that a training can read."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add these commands to the parser."""
    text = "prepare a data set's volumes for the network"
    data = commands.add_parser("data", help=text, description=text)
    data.add_argument("--dataset", default="lpba40", help="name, or YAML file")
    data.add_argument(
        "--raw", type=Path, help="folder or archive of the data set as downloaded; see the README"
    )
    data.add_argument(
        "--processes", type=int, help="subjects at a time (as many as cores and memory allow)"
    )
    data.set_defaults(run=_data)

    text = "draft a data set's YAML by looking at a folder of volumes"
    draft = commands.add_parser("draft", help=text, description=text)
    draft.add_argument("folder", type=Path)
    draft.add_argument("-o", "--output", type=Path, help="YAML file (by default <folder>.yaml)")
    draft.add_argument("--name", help="of the data set (by default the folder's)")
    draft.add_argument("--overwrite", action="store_true", help="replace an existing file")
    draft.set_defaults(run=_draft)

    text = "say whether the environment, and a data set if one is named, are sound"
    doctor = commands.add_parser("doctor", help=text, description=text)
    doctor.add_argument("--dataset", help="name, or YAML file")
    doctor.set_defaults(run=_doctor)


def _data(options: argparse.Namespace) -> None:
    from pmrnet import workflow
    from pmrnet.errors import InputError

    if options.processes is not None and options.processes < 1:
        raise InputError(f"--processes: expected 1 or more, found {options.processes}.")
    workflow.prepare(options.dataset, options.raw, options.processes)


def _draft(options: argparse.Namespace) -> None:
    from pmrnet.data.draft import write_draft
    from pmrnet.make_command import make_command

    output = options.output or Path(f"{options.folder.resolve().name}.yaml")
    write_draft(options.folder, output, name=options.name, overwrite=options.overwrite)
    print(
        f"drafted: {output}; read it, correct it, then run `{make_command('train', str(output))}`"
    )


def _doctor(options: argparse.Namespace) -> int:
    from rich.console import Console

    from pmrnet.dataset import Dataset
    from pmrnet.doctor import Finding, check_data, check_environment, report
    from pmrnet.errors import InputError

    if not options.dataset:
        return report(check_environment(), Console())
    try:
        dataset = Dataset.load(options.dataset)
    except InputError as error:
        findings = [*check_environment(), Finding("error", str(error))]
    else:
        findings = check_environment(dataset.protocol.data.shape)
        findings += check_data(options.dataset, dataset.prepared)
    return report(findings, Console())
