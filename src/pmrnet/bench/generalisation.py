"""Whether a network is better on the subjects it was trained on: what it gains there and on others.

    python -m pmrnet.bench.generalisation --dataset lpba40 --methods pmrnet pmrnet-plus

The gain is that in mean Dice over the affine alignment of the same pair. Where it is the same on
validation subjects, which choose among stored weights but do not train them, there is little that
more subjects, or random changes of their images, could mend. No test subject is looked at.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pmrnet.bench.exit_status import exit_status
from pmrnet.bench.mean_dice import mean_dice
from pmrnet.bench.ready_methods import ready_methods
from pmrnet.bench.report import store
from pmrnet.errors import InputError
from pmrnet.methods import method_of
from pmrnet.provenance import collect

if TYPE_CHECKING:
    from pmrnet.protocol import Protocol

METHODS = ("voxelmorph", "pmrnet", "pmrnet-deep", "pmrnet-plus")
SPLITS = ("train", "validation")
#: pairs of a split
ENOUGH = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pmrnet.bench.generalisation",
        description="Compare what networks gain on training and on validation subjects.",
    )
    parser.add_argument("--dataset", default="lpba40", help="name, or YAML file")
    parser.add_argument("--methods", nargs="+", default=METHODS, help=" ".join(METHODS))
    parser.add_argument(
        "--output", type=Path, default=Path("experiments/bench"), help="folder of the results"
    )
    options = parser.parse_args(arguments)
    return exit_status(run, options.dataset, options.methods, options.output)


def pairs_in_turn(protocol: Protocol) -> dict[str, list[tuple[str, str]]]:
    """Pairs (moving, fixed) of each split: every subject onto the next, then onto the one after.

    So each is moved as often as the others, and fixed as often, and one that is hard to register
    weighs as it does in all pairs. There are `ENOUGH` or, of few subjects, all.

    Raises
    ------
    InputError
        If a split has fewer than two subjects.
    """
    found = {}
    for split in SPLITS:
        names: tuple[str, ...] = getattr(protocol, split)
        if len(names) < 2:
            raise InputError(
                f"{protocol.name}: expected two {split} subjects or more, found {len(names)}; add "
                f"some to `{split}:` in its file."
            )
        shifts = range(1, min(math.ceil(ENOUGH / len(names)) + 1, len(names)))
        found[split] = [
            (name, names[(place + shift) % len(names)])
            for shift in shifts
            for place, name in enumerate(names)
        ]
    return found


def run(dataset: str, methods: Sequence[str], output: Path) -> None:
    """Score the methods and write `generalisation.json` and `generalisation.md`.

    Parameters
    ----------
    dataset
        Name or YAML file, with labels; subjects of the two splits must be prepared.
    methods
        Names, as for `pmrnet evaluate`.
    output
        Folder of the two files.

    Raises
    ------
    InputError
        If a method cannot be run, or there are too few subjects.
    """
    from pmrnet.dataset import Dataset

    data = Dataset.load(dataset)
    pairs = pairs_in_turn(data.protocol)
    subjects, functions, identity = ready_methods(data, methods, chain(*pairs.values()))
    listing = {split: [list(pair) for pair in pairs[split]] for split in SPLITS}
    config = {"protocol": data.name, "methods": list(methods), "pairs": listing}
    provenance = collect(config, identity, seed=None, steps=None, weights_sha256=None)
    score = mean_dice(list(data.protocol.labels))
    measured = {
        split: measure(functions, [[subjects[n] for n in pair] for pair in pairs[split]], score)
        for split in SPLITS
    }
    print(store(output, "generalisation", {"provenance": provenance, "dice": measured}, markdown))


def measure(
    functions: Mapping[str, Callable[[Any, Any], Any]],
    pairs: Sequence[Sequence[Any]],
    score: Callable[[Any, Any, Any], float],
) -> dict[str, list[float]]:
    """Score of each pair by method, and by the affine alignment alone under `affine`."""
    found: dict[str, list[float]] = {name: [] for name in ("affine", *functions)}
    for moving, fixed in pairs:
        for name, function in functions.items():
            displacement = function(moving, fixed)
            found[name].append(round(score(moving, fixed, displacement), 4))
        still = np.zeros_like(displacement)
        found["affine"].append(round(score(moving, fixed, still), 4))
    return found


def markdown(results: Mapping[str, Any]) -> str:
    """Table of the mean gains, with the standard error over pairs, which share subjects.

    Parameters
    ----------
    results
        As written to `generalisation.json`.
    """
    record, dice = results["provenance"], results["dice"]
    counts = " and ".join(f"{len(dice[split]['affine'])} {split}" for split in SPLITS)
    affine = " and ".join(f"{statistics.mean(dice[split]['affine']):.3f}" for split in SPLITS)
    lines = [
        f"Mean Dice over the labels of {counts} pairs of {record['config']['protocol']}, less that "
        f"of the affine alignment ({affine}), with its standard error over pairs; commit "
        f"{record['git']['commit'][:9]}, {record['created'][:10]}.",
        "",
        "| method | gain on training subjects | gain on validation subjects |",
        "|---|---:|---:|",
    ]
    for name in record["config"]["methods"]:
        cells = [method_of(name).title]
        for split in SPLITS:
            gains = [a - b for a, b in zip(dice[split][name], dice[split]["affine"], strict=True)]
            error = statistics.stdev(gains) / len(gains) ** 0.5
            cells.append(f"{statistics.mean(gains):.4f} ± {error:.4f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
