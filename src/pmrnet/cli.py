"""The command line: sub-commands, nothing else."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pmrnet import __version__
from pmrnet.errors import InputError
from pmrnet.terminal import silence_tensorflow


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pmrnet", description="Probabilistic multilayer registration of 3D brain images."
    )
    parser.add_argument("--version", action="version", version=f"pmrnet {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str, method: bool = False) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--dataset", default="lpba40", help="lpba40 or demo")
        if method:
            command.add_argument("--method", default="pmrnet", help="an experiment's name")
        return command

    data = add("data", "prepare a data set's volumes for the network")
    data.add_argument("--raw", type=Path, help="folder of the data set as downloaded")
    add("train", "train a method, or go on where a training was stopped", method=True)
    evaluate = add("evaluate", "register and score all test pairs", method=True)
    evaluate.add_argument("--weights", help="shipped name or JSON file")
    evaluate.add_argument("--overwrite", action="store_true", help="replace a stored result")
    add("ship", "put the weights trained here among the package's", method=True)
    add("table", "print and write the table of the stored results")
    demo = commands.add_parser("demo", help="the whole way on built-in data, in minutes")
    demo.add_argument("--out", type=Path, default=Path("runs/demo-report"))
    return parser


def _run(options: argparse.Namespace) -> None:
    from pmrnet import workflow

    if options.command == "demo":
        from pmrnet.demo import run_demo

        run_demo(options.out)
    elif options.command == "data":
        raw = options.raw or Path("../shared/data") / options.dataset
        workflow.prepare(options.dataset, raw)
    elif options.command == "train":
        print(f"weights: {workflow.train(options.dataset, options.method)}")
    elif options.command == "evaluate":
        _evaluate(options)
    elif options.command == "ship":
        print(f"weights: {workflow.ship(options.dataset, options.method)}")
    elif options.command == "table":
        print(workflow.table(options.dataset))


def _evaluate(options: argparse.Namespace) -> None:
    from pmrnet import workflow

    if options.overwrite:
        out = workflow.evaluate(options.dataset, options.method, options.weights, overwrite=True)
        print(f"result: {out}")
        return
    difference = workflow.reproduce(options.dataset, options.method, options.weights)
    if difference is None:
        print(f"result: {workflow.experiment_folder(options.dataset) / 'results' / options.method}")
    else:
        print(
            f"compared with the stored result: largest difference of a label's Dice in a pair is "
            f"{difference:.4f} (use --overwrite to store the new one)"
        )


def main(arguments: list[str] | None = None) -> int:
    """Run a sub-command; returns the exit status.

    A user's mistake is said in one sentence on the error stream, with status 2.
    """
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here.", file=sys.stderr)
        return 130
    return 0


def command() -> int:
    """Entry point of the terminal's `pmrnet`: `main`, with TensorFlow's messages kept off."""
    silence_tensorflow()
    return main()
