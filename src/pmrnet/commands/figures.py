"""`figures`: the paper's figures as files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    text = "write the paper's figures as PDF and PNG, as far as there is what they show"
    command = commands.add_parser("figures", help=text, description=text)
    command.add_argument("--dataset", default="lpba40", help="name, or YAML file")
    command.add_argument("--out", type=Path, default=Path("figures"), help="folder for the files")
    command.add_argument(
        "--only", nargs="+", metavar="FIGURE", help="some of them: 1-network, 5-dice, ..."
    )
    command.add_argument(
        "--methods",
        nargs="+",
        metavar="METHOD",
        help="those that the comparison and the box plots show: pmrnet, syn-cc, ...; or all",
    )
    command.set_defaults(run=_figures)


def _figures(options: argparse.Namespace) -> int:
    from pmrnet.figures.files import write_figures

    written, missing = write_figures(options.dataset, options.out, options.only, options.methods)
    for path in written:
        print(path)
    for name, reason in missing.items():
        print(f"missing: {name}: {reason}", file=sys.stderr)
    # Some of the figures are what was asked for; none at all is a mistake.
    return 0 if written else 2
