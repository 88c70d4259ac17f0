"""`register`, and the options that it shares with `batch` and `template`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

REFINE = "--refine"
# Wrong numbers and units, too, which `Refinement.from_budget` explains.
_BUDGET = re.compile(r"[-+]?\d+(\.\d+)? ?[a-zA-Z]*")

WEIGHTS = (
    "shipped name or JSON file; or `affine`, the affine alignment alone, or `identity`, the places "
    "that the headers say"
)
MASK = (
    "brain mask, if not stripped: whole numbers above 0 are brain, or probabilities from 0.5 to 1"
)
TEMPERATURE = (
    "of the uncertainty: `fitted` (the default where the weights have one) or a number; 1: what "
    "the network says"
)


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    text = "register two brains, in native space"
    register = commands.add_parser("register", help=text, description=text)
    register.set_defaults(run=_register)
    register.add_argument("moving", type=Path)
    register.add_argument("fixed", type=Path)
    register.add_argument("-o", "--out", type=Path, required=True, help="folder of the results")
    for role in ("moving", "fixed"):
        register.add_argument(f"--{role}-mask", type=Path, help=MASK)
        register.add_argument(f"--{role}-labels", type=Path, help="label map: moved, compared")
    add_strip(register)
    register.add_argument("--weights", help=WEIGHTS)
    add_passes(register)
    add_symmetric(register)
    add_refine(register)
    register.add_argument(
        "--format", default="itk", choices=("itk", "fsl", "x5", "voxel"), help="of the transforms"
    )
    register.add_argument("--no-report", action="store_true")
    register.add_argument("--no-uncertainty", action="store_true")
    register.add_argument("--temperature", help=TEMPERATURE)
    register.add_argument("--overwrite", action="store_true", help="replace earlier results")


def add_refine(command: argparse.ArgumentParser) -> None:
    """Add ``--refine [BUDGET]``, an empty text without a budget, None without the option."""
    command.add_argument(
        REFINE,
        nargs="?",
        const="",
        metavar="BUDGET",
        help="optimise each pair's deformation; BUDGET: a time (20s) or a number of steps",
    )


def add_passes(command: argparse.ArgumentParser) -> None:
    """Add ``--passes``."""
    command.add_argument(
        "--passes",
        help="how often the network looks (by default what the weights advise, else as trained); "
        "1+3: before three, once at half the resolution",
    )


def add_symmetric(command: argparse.ArgumentParser) -> None:
    """Add ``--symmetric``."""
    command.add_argument(
        "--symmetric",
        action="store_true",
        help="prefer neither image: in the other order, the inverse comes out",
    )


def add_strip(command: argparse.ArgumentParser) -> None:
    """Add ``--strip``."""
    command.add_argument(
        "--strip",
        action="store_true",
        help="strip whole heads without a mask by SynthStrip, HD-BET or BET, if installed",
    )


def separate_refine(arguments: Sequence[str]) -> list[str]:
    """Arguments in which ``--refine`` does not take an image's name for its budget.

    argparse gives an option whatever follows it; here only what is a budget.
    """
    following = [*arguments, ""][1:]
    return [
        f"{REFINE}=" if word == REFINE and not _BUDGET.fullmatch(then) else word
        for word, then in zip(arguments, following, strict=True)
    ]


def _register(options: argparse.Namespace) -> None:
    from pmrnet.image_files import open_image
    from pmrnet.registration import DEFAULT_WEIGHTS, register
    from pmrnet.registration_labels import read_labels
    from pmrnet.result_folder import RECORD, check_folder
    from pmrnet.weights.passes import parse_passes
    from pmrnet.weights.temperature import parse_temperature

    temperature = parse_temperature(options.temperature)
    # Before the work, not after it.
    inputs = ("moving", "fixed", "moving_mask", "fixed_mask", "moving_labels", "fixed_labels")
    check_folder(options.out, options.overwrite, [getattr(options, name) for name in inputs])
    labels = {
        role: None if given is None else read_labels(given, role, open_image(image))
        for role, given, image in (
            ("moving", options.moving_labels, options.moving),
            ("fixed", options.fixed_labels, options.fixed),
        )
    }
    refinement = None
    if options.refine is not None:
        from pmrnet.refinement_settings import Refinement

        refinement = Refinement.from_budget(options.refine)
    registration = register(
        options.moving,
        options.fixed,
        moving_mask=options.moving_mask,
        fixed_mask=options.fixed_mask,
        weights=options.weights or DEFAULT_WEIGHTS,
        refine=refinement,
        passes=parse_passes(options.passes),
        symmetric=options.symmetric,
        temperature=temperature,
        strip=options.strip,
    )
    out = registration.save(
        options.out,
        format=options.format,
        moving_labels=labels["moving"],
        fixed_labels=labels["fixed"],
        report=not options.no_report,
        uncertainty=not options.no_uncertainty,
        overwrite=options.overwrite,
    )
    for sentence in json.loads((out / RECORD).read_text(encoding="utf-8"))["warnings"]:
        print(f"warning: {sentence}", file=sys.stderr)
    print(f"results: {out}")
