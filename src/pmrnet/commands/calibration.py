"""`calibrate`: whether the predicted uncertainty is as large as the errors are."""

from __future__ import annotations

import argparse
import json

_TEXT = """\
compare the predicted uncertainty with errors, and fit the temperature that makes them match

The temperature is fitted on the validation pairs, and the reliability of the test pairs is measured
with it. Results are in experiments/<dataset>/calibration/; weights that were trained on the
protocol's training subjects get the temperature, which `pmrnet register` then uses. In the
project's folder, docs/uncertainty.md and its figure are brought up to date.
"""


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "calibrate",
        help=_TEXT.partition("\n")[0],
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--dataset", default="lpba40", help="name, or YAML file")
    command.add_argument("--method", default="pmrnet", help="an experiment's name")
    command.add_argument("--weights", help="shipped name or JSON file")
    command.add_argument("--name", help="of the record (by default the method's)")
    command.add_argument("--samples", type=int, default=32, help="draws of the posterior (32)")
    command.add_argument("--pairs", type=int, help="largest number of pairs of each split (all)")
    command.add_argument(
        "--page-only", action="store_true", help="measure nothing: write the page of what is stored"
    )
    command.set_defaults(run=_calibrate)


def _calibrate(options: argparse.Namespace) -> None:
    from pmrnet.calibration.page import PAGE, update_page

    if not options.page_only:
        from pmrnet.calibration.study import calibrate

        path = calibrate(
            options.dataset,
            options.method,
            options.weights,
            options.name,
            options.samples,
            limit=options.pairs,
        )
        print(f"calibration: {path}")
        if not json.loads(path.read_text())["stored_with_weights"]:
            print(
                "temperature: not stored with the weights, which were trained on other subjects, "
                "or on these prepared otherwise"
            )
    if PAGE.is_file():
        for written in update_page():
            print(f"page: {written}")
