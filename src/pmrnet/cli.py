"""The command line: sub-commands, nothing else. What they do is in `pmrnet.commands`."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from typing import NoReturn

from pmrnet import __version__
from pmrnet.commands import (
    batch,
    calibration,
    data,
    figures,
    registration,
    report,
    tables,
    transforms,
)
from pmrnet.commands.parser import Parser
from pmrnet.errors import InputError
from pmrnet.keras_settings import check_keras
from pmrnet.lean_keras import claim_process
from pmrnet.terminal import silence_tensorflow
from pmrnet.termination import Terminated, raise_when_terminated

#: commands that keep what they have done so far
_RESUMING = {
    *("data", "train", "evaluate", "table", "tables", "demo", "figures"),
    *("batch", "template", "calibrate", "export-learn2reg"),
}

#: commands that run networks, or may
_NETWORKS = {
    *("register", "batch", "template", "train", "evaluate", "tables", "demo", "figures"),
    *("calibrate", "ship", "export-learn2reg"),
}


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="pmrnet", description="Probabilistic multilayer registration of 3D brain images."
    )
    parser.add_argument("--version", action="version", version=f"pmrnet {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in (registration, transforms, report, batch, calibration, data, tables, figures):
        group.add_to(commands)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a sub-command; returns the exit status.

    A user's mistake is said in one sentence on the error stream, with status 2.
    """
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(registration.separate_refine(given))
    try:
        if options.command in _NETWORKS:
            check_keras()
        return options.run(options) or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        # A file that the system refuses in a way that nobody foresaw, such as a name too long.
        if error.filename is None:
            raise
        print(
            f"error: {error.filename}: expected a file or folder that can be used, found: "
            f"{error.strerror}; check its name, its permissions and its disk.",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt as end:
        goes_on = "the same command goes on from here." if options.command in _RESUMING else ""
        print(f"stopped; {goes_on or 'start again for a result.'}", file=sys.stderr)
        return 143 if isinstance(end, Terminated) else 130


def command() -> NoReturn:
    """Entry point of the terminal's `pmrnet`: `main`, with TensorFlow's messages kept off."""
    silence_tensorflow()
    claim_process()
    raise_when_terminated()
    status = main()
    with suppress(BrokenPipeError):  # nobody reads any more
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # closed by whoever began the process
                stream.flush()
    # All files are closed by now; taking TensorFlow apart would take more than a second.
    os._exit(status)
