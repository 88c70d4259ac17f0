"""`train`, `evaluate`, `ship`, `table` and `demo`: what regenerates the paper's tables."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add these commands to the parser."""
    train = _add(commands, "train", "train a method, or go on where a training was stopped", _train)
    evaluate = _add(commands, "evaluate", "register and score all test pairs", _evaluate)
    evaluate.add_argument("--weights", help="shipped name or JSON file")
    evaluate.add_argument("--overwrite", action="store_true", help="replace a stored result")
    ship = _add(commands, "ship", "put the weights trained here among the package's", _ship)
    for command in (train, evaluate, ship):
        command.add_argument("--method", default="pmrnet", help="an experiment's name")
    _add(commands, "table", "print and write the table of the stored results", _table)
    demo = commands.add_parser("demo", help="the whole way on built-in data, in minutes")
    demo.add_argument("--out", type=Path, default=Path("runs/demo-report"))
    demo.set_defaults(run=_demo)


def _add(
    commands: argparse._SubParsersAction, name: str, text: str, run: object
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.add_argument("--dataset", default="lpba40", help="name, or YAML file")
    command.set_defaults(run=run)
    return command


def _train(options: argparse.Namespace) -> None:
    from pmrnet import workflow

    print(f"weights: {workflow.train(options.dataset, options.method)}")


def _evaluate(options: argparse.Namespace) -> None:
    from pmrnet import workflow
    from pmrnet.dataset import Dataset

    if options.overwrite:
        out = workflow.evaluate(options.dataset, options.method, options.weights, overwrite=True)
        print(f"result: {out}")
        return
    difference = workflow.reproduce(options.dataset, options.method, options.weights)
    if difference is None:
        print(f"result: {Dataset.load(options.dataset).results / options.method}")
    else:
        print(
            f"compared with the stored result: largest difference of a label's Dice in a pair is "
            f"{difference:.4f} (use --overwrite to store the new one)"
        )


def _ship(options: argparse.Namespace) -> None:
    from pmrnet import workflow

    print(f"weights: {workflow.ship(options.dataset, options.method)}")


def _table(options: argparse.Namespace) -> None:
    from pmrnet import workflow

    print(workflow.table(options.dataset))


def _demo(options: argparse.Namespace) -> None:
    from pmrnet.demo import run_demo

    run_demo(options.out)
