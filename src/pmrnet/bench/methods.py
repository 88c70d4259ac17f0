"""Whole methods side by side: what a registration of a real pair costs and what it is worth.

    python -m pmrnet.bench.methods --dataset lpba40 --methods pmrnet pmrnet-refined syn --pairs 3

Every method registers the first pairs of a split, the test's unless another is named, as `pmrnet
evaluate` does it, one pair after the other and all methods in each pair, so that a machine that
drifts does so for all of them. What they found is scored as there, too, by the Dice of all labels.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pmrnet.bench.exit_status import exit_status
from pmrnet.bench.mean_dice import mean_dice
from pmrnet.bench.ready_methods import ready_methods
from pmrnet.bench.report import store
from pmrnet.bench.some_pairs import pairs_of
from pmrnet.methods import method_of
from pmrnet.provenance import collect

METHODS = ("pmrnet", "pmrnet-plus", "pmrnet-refined", "pmrnet-plus-refined", "syn", "syn-cc")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pmrnet.bench.methods",
        description="Time whole methods on pairs of a data set, in turns.",
    )
    parser.add_argument("--dataset", default="lpba40", help="name, or YAML file")
    parser.add_argument(
        "--methods", nargs="+", default=METHODS, help=f"the first is 1x ({' '.join(METHODS)})"
    )
    parser.add_argument("--pairs", type=int, default=3, help="number of pairs (3)")
    parser.add_argument("--split", default="test", choices=("test", "validation"))
    parser.add_argument(
        "--output", type=Path, default=Path("experiments/bench"), help="folder of the results"
    )
    options = parser.parse_args(arguments)
    return exit_status(
        run, options.dataset, options.methods, options.pairs, options.output, options.split
    )


def run(
    dataset: str, methods: Sequence[str], pairs: int, output: Path, split: str = "test"
) -> None:
    """Time the methods and write `methods.json` and `methods.md`.

    Parameters
    ----------
    dataset
        Name or YAML file; the split's subjects must be prepared.
    methods
        Names, as for `pmrnet evaluate`.
    pairs
        How many pairs.
    output
        Folder of the two files.
    split
        ``test`` or ``validation``.

    Raises
    ------
    InputError
        If a method cannot be run, or there are fewer pairs.
    """
    from pmrnet.dataset import Dataset

    data = Dataset.load(dataset)
    listed = pairs_of(data, split, pairs)[:pairs]
    subjects, functions, identity = ready_methods(data, methods, listed)
    listing = [list(pair) for pair in listed]
    config = {
        "protocol": data.name,
        "methods": list(methods),
        "split": split,
        "pairs": listing,
    }
    provenance = collect(config, identity, seed=None, steps=None, weights_sha256=None)
    load = {"before": os.getloadavg()[0]}
    dice = mean_dice(list(data.protocol.labels))
    measured = measure(functions, [[subjects[name] for name in pair] for pair in listed], dice)
    load["after"] = os.getloadavg()[0]
    results = {"provenance": provenance, "load": load, "measured": measured}
    print(store(output, "methods", results, markdown))


def measure(
    functions: Mapping[str, Callable[[Any, Any], Any]],
    pairs: Sequence[Sequence[Any]],
    score: Callable[[Any, Any, Any], float],
) -> dict[str, dict[str, list[float]]]:
    """Seconds of each method in each pair, those of all cores together, and its score.

    Parameters
    ----------
    functions
        By name what registers a moving and a fixed subject.
    pairs
        The subjects, moving first.
    score
        Of a pair and what the method found for it; not in the seconds.

    Returns
    -------
    dict
        By method `wall`, `cpu` and `dice`, a number for each pair.
    """
    found: dict[str, dict[str, list[float]]] = {
        name: {"wall": [], "cpu": [], "dice": []} for name in functions
    }
    for moving, fixed in pairs:
        for name, function in functions.items():
            wall, cpu = time.perf_counter(), time.process_time()
            displacement = function(moving, fixed)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            found[name]["wall"].append(round(wall, 3))
            found[name]["cpu"].append(round(cpu, 3))
            found[name]["dice"].append(round(score(moving, fixed, displacement), 4))
    return found


def markdown(results: Mapping[str, Any]) -> str:
    """Table of medians over pairs, and means of Dice; ratios are medians of those of the same pair.

    Parameters
    ----------
    results
        As written to `methods.json`.
    """
    record, measured = results["provenance"], results["measured"]
    machine, load = record["machine"], results["load"]
    config, dataset = record["config"], record["config"]["protocol"]
    first = next(iter(measured))
    lines = [
        f"Measured on {machine['cores']} cores of {machine['cpu']}, CPU only, "
        f"{record['created'][:10]}, commit {record['git']['commit'][:9]}: "
        f"{len(config['pairs'])} {config['split']} pairs of {dataset}, methods in turns; medians "
        f"over pairs, and in brackets the median ratio to {method_of(first).title}. "
        "From prepared volumes to the displacement at 1 mm; affine alignment, labels and files "
        "are not in it, nor is compilation. Dice is the mean over labels and pairs. Load average "
        "of the machine before and after: "
        f"{load['before']:.1f}, {load['after']:.1f}.",
        "",
        "| method | seconds | CPU seconds of all cores | Dice |",
        "|---|---:|---:|---:|",
    ]
    for name, of in measured.items():
        cells = [method_of(name).title]
        for kind in ("wall", "cpu"):
            ratio = statistics.median(
                a / b for a, b in zip(of[kind], measured[first][kind], strict=True)
            )
            cells.append(f"{statistics.median(of[kind]):.2f} ({ratio:.1f}x)")
        cells.append(f"{statistics.mean(of['dice']):.3f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
