"""Measure, and store the results with their provenance."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from pmrnet.bench.exit_status import exit_status
from pmrnet.bench.measure import TASKS, measure
from pmrnet.bench.report import markdown, store
from pmrnet.errors import InputError
from pmrnet.provenance import collect

SHAPES = ((160, 192, 160), (160, 192, 224))
QUICK = ((32, 32, 32),)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pmrnet.bench",
        description="Measure PMR-Net and VoxelMorph 0.2 side by side on this CPU.",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("experiments/bench"), help="folder of the results"
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender (5)")
    parser.add_argument(
        "--shape",
        type=_shape,
        action="append",
        help="of the images, for example 160x192x160; may be repeated (the two of the README)",
    )
    parser.add_argument("--task", choices=TASKS, action="append", help="may be repeated (all)")
    parser.add_argument(
        "--quick", action="store_true", help="one small shape, two rounds: to see that it runs"
    )
    options = parser.parse_args(arguments)
    shapes = options.shape or (QUICK if options.quick else SHAPES)
    rounds = 2 if options.quick else options.rounds
    if rounds < 1:
        parser.error(f"argument --rounds: expected 1 or more, found {rounds}")
    return exit_status(run, shapes, rounds, options.output, options.task or tuple(TASKS))


def run(shapes: Sequence[tuple[int, ...]], rounds: int, output: Path, tasks: Sequence[str]) -> None:
    """Measure all shapes and write `results.json` and `results.md`.

    Raises
    ------
    InputError
        If VoxelMorph is not installed.
    """
    versions = _voxelmorph_versions()
    load = {"before": os.getloadavg()[0]}
    config = {"rounds": rounds, "shapes": [list(shape) for shape in shapes], "packages": versions}
    # Before the measurement, which takes long enough for the checkout to change under it.
    provenance = collect(
        config, data={"name": "seeded noise"}, seed=0, steps=None, weights_sha256=None
    )
    measurements = [measure(shape, rounds, _say, tasks) for shape in shapes]
    load["after"] = os.getloadavg()[0]
    results = {"provenance": provenance, "load": load, "measurements": measurements}
    print(store(output, "results", results, markdown))


def _voxelmorph_versions() -> dict[str, str]:
    from pmrnet.voxelmorph_compat import COMMAND

    try:
        return {name: metadata.version(name) for name in ("voxelmorph", "neurite", "tf-keras")}
    except metadata.PackageNotFoundError as error:
        raise InputError(
            f"expected voxelmorph 0.2 to compare with, found no {error.name}; install it: {COMMAND}"
        ) from error


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(n) for n in text.split("x"))
    except ValueError:
        shape = ()
    if len(shape) != 3 or any(n <= 0 or n % 16 for n in shape):
        raise argparse.ArgumentTypeError(
            f"expected three multiples of 16 as in 160x192x160, found {text}"
        )
    return shape


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
