"""`report`: the report of a registration that exists, written anew."""

from __future__ import annotations

import argparse
from pathlib import Path

_TEXT = """\
write the report of a registration that exists, from its folder

Nothing is registered anew. The images are looked for where they were and must be the same ones; of
the folder's files the report alone is replaced.
"""


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    report = commands.add_parser(
        "report",
        help=_TEXT.partition("\n")[0],
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    report.add_argument("folder", type=Path, help="of a registration")
    for role in ("moving", "fixed"):
        report.add_argument(f"--{role}", type=Path, help="where the image is now, if it was moved")
        report.add_argument(f"--{role}-mask", type=Path, help="likewise")
        report.add_argument(f"--{role}-labels", type=Path, help="label map, to be compared")
    report.add_argument("-o", "--output", type=Path, help="of the report (in the folder)")
    report.add_argument("--overwrite", action="store_true", help="replace an existing OUTPUT")
    report.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> None:
    from pmrnet.files import check_new_file
    from pmrnet.registration_folder import report_from_folder

    if options.output is not None:
        check_new_file(options.output, options.overwrite)
    given = ("moving", "fixed", "moving_mask", "fixed_mask", "moving_labels", "fixed_labels")
    written = report_from_folder(
        options.folder, options.output, **{name: getattr(options, name) for name in given}
    )
    print(f"report: {written}")
