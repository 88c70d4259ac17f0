"""`train`, `evaluate`, `table`, `tables` and what else regenerates the paper's tables."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add these commands to the parser."""
    train = _add(commands, "train", "train a method, or go on where a training was stopped", _train)
    evaluate = _add(commands, "evaluate", "register and score all test pairs", _evaluate)
    evaluate.add_argument("--weights", help="shipped name or JSON file")
    evaluate.add_argument("--overwrite", action="store_true", help="replace a stored result")
    evaluate.add_argument(
        "--no-hd95", action="store_true", help="leave out the distance of the labels' surfaces"
    )
    ship = _add(commands, "ship", "put the weights trained here among the package's", _ship)
    ship.add_argument(
        "--passes", help="how often the network should look in registrations (as trained)"
    )
    text = "write displacement fields as Learn2Reg's evaluation reads them"
    export = _add(commands, "export-learn2reg", text, _export_learn2reg)
    export.add_argument("--weights", help="shipped name or JSON file")
    export.add_argument("--out", type=Path, required=True, help="folder for the files")
    export.add_argument("--split", choices=("test", "validation"), default="test")
    export.add_argument(
        "--images",
        action="store_true",
        help="write the images and labels on the network's grid and the evaluation's settings too",
    )
    for command in (train, evaluate, ship, export):
        command.add_argument("--method", default="pmrnet", help="an experiment's name")
    _add(commands, "table", "print and write the table of the stored results", _table)
    text = "train, score and tabulate all rows of the paper's tables, as far as not done"
    tables = commands.add_parser("tables", help=text, description=text)
    tables.add_argument("--dataset", action="append", help="only this one (may be repeated)")
    tables.set_defaults(run=_tables)
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
        out = workflow.evaluate(
            options.dataset,
            options.method,
            options.weights,
            overwrite=True,
            hd95=not options.no_hd95,
        )
        print(f"result: {out}")
        return
    made = workflow.reproduce(
        options.dataset, options.method, options.weights, hd95=not options.no_hd95
    )
    if made is None:
        print(f"result: {Dataset.load(options.dataset).results / options.method}")
        return
    others = f", which is of other {' and '.join(made.of_others)}" if made.of_others else ""
    print(
        f"mean Dice {made.again:.4f} (scores: {made.folder})\n"
        f"compared with the stored result{others}: mean Dice {made.stored:.4f} there, largest "
        f"difference of a label's Dice in a pair is {made.difference:.4f} (use --overwrite to "
        "store the new one)"
    )


def _ship(options: argparse.Namespace) -> None:
    from pmrnet import workflow
    from pmrnet.weights.passes import parse_passes

    passes = parse_passes(options.passes)
    print(f"weights: {workflow.ship(options.dataset, options.method, passes)}")


def _export_learn2reg(options: argparse.Namespace) -> None:
    from pmrnet.learn2reg import export_learn2reg

    count = export_learn2reg(
        options.dataset,
        options.method,
        options.out,
        weights=options.weights,
        split=options.split,
        images=options.images,
    )
    print(f"{count} displacement fields: {options.out}")


def _tables(options: argparse.Namespace) -> None:
    from pmrnet import workflow

    made = workflow.tables(options.dataset or tuple(workflow.PAPER_TABLES))
    print("\n".join(made.values()))


def _table(options: argparse.Namespace) -> None:
    from pmrnet import workflow

    print(workflow.table(options.dataset))


def _demo(options: argparse.Namespace) -> None:
    from pmrnet.demo import run_demo

    run_demo(options.out)
