"""What networks gain by looking again at what they have moved, with the weights that they have.

    python -m pmrnet.bench.passes --dataset lpba40 --methods voxelmorph pmrnet-deep

Nothing is trained: a network is given more passes than it was trained with. Validation pairs only.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from pmrnet.bench.exit_status import exit_status
from pmrnet.bench.mean_dice import dice_of
from pmrnet.bench.report import store
from pmrnet.bench.some_pairs import pairs_of
from pmrnet.calibration.study import spread
from pmrnet.errors import InputError
from pmrnet.methods import method_of
from pmrnet.metrics import folding_fraction, jacobian_determinant, sdlogj
from pmrnet.provenance import collect
from pmrnet.summary import ALL

METHODS = (
    "voxelmorph",
    "baseline1-deep",
    "pmrnet",
    "pmrnet-deep",
    "baseline1-grown",
    "pmrnet-no-levels-grown",
    "pmrnet-grown",
)
MOST = 3

#: what is measured of every pair: title of its table, factor and form of its numbers
_MEASURED = {
    "dice": (None, 1, "{:.4f}"),
    "folding": ("Folding, % of the network grid's voxels:", 100, "{:.4f}"),
    "sdlogj": ("Standard deviation of the logarithm of the Jacobian determinant:", 1, "{:.3f}"),
}

Score = Callable[[Any, Any, NDArray], dict[str, float]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pmrnet.bench.passes",
        description="Compare numbers of passes of trained networks on validation pairs.",
    )
    parser.add_argument("--dataset", default="lpba40", help="name, or YAML file")
    parser.add_argument("--methods", nargs="+", default=METHODS, help=" ".join(METHODS))
    parser.add_argument("--pairs", type=int, default=20, help="number of validation pairs (20)")
    parser.add_argument("--most", type=int, default=MOST, help=f"passes up to this many ({MOST})")
    parser.add_argument(
        "--coarse", type=int, default=0, help="passes at half the resolution before them (0)"
    )
    parser.add_argument(
        "--symmetric", action="store_true", help="look in both directions, as `register` can"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("experiments/bench"), help="folder of the results"
    )
    options = parser.parse_args(arguments)
    counts = options.pairs, options.most, options.coarse
    arguments = options.dataset, options.methods, *counts, options.symmetric, options.output
    return exit_status(run, *arguments)


def run(
    dataset: str,
    methods: Sequence[str],
    pairs: int,
    most: int,
    coarse: int,
    symmetric: bool,
    output: Path,
) -> None:
    """Score the methods and write `passes.json` and `passes.md`.

    Parameters
    ----------
    dataset
        Name or YAML file, with labels; its validation subjects must be prepared.
    methods
        Names of networks that may take passes.
    pairs
        How many validation pairs, taken evenly from all.
    most
        The largest number of passes.
    coarse
        Number of passes at half the resolution before these.
    symmetric
        Whether the networks look in both directions, see `pmrnet.register`.
    output
        Folder of the two files.

    Raises
    ------
    InputError
        If there are no such weights or pairs, or a network takes one pass only.
    """
    from pmrnet.dataset import Dataset
    from pmrnet.inference import PairRegistrar, Registrar
    from pmrnet.nn.cascade import CascadedNetwork, with_passes
    from pmrnet.trained_weights import weights_of
    from pmrnet.weights import load_network
    from pmrnet.workflow import data_identity

    if most < 1:
        raise InputError(f"--most: expected 1 pass or more, found {most}; give another number.")
    data = Dataset.load(dataset)
    listed = spread(pairs_of(data, "validation", pairs), pairs)
    loaded = {name: load_network(weights_of(data.given, name)) for name in methods}
    for name, (network, _) in loaded.items():
        if not isinstance(network, CascadedNetwork):
            raise InputError(
                f"{name}: expected a network that may look again at what it has moved, found "
                f"{type(network).__name__}; leave it out."
            )
    subjects = data.subjects(sorted({name for pair in listed for name in pair}))
    config = {
        "protocol": data.name,
        "methods": list(methods),
        "most": most,
        "coarse": coarse,
        "symmetric": symmetric,
        "pairs": [list(pair) for pair in listed],
        "weights": {name: of["sha256"] for name, (_, of) in loaded.items()},
    }
    results: dict[str, Any] = {
        "provenance": collect(config, data_identity(data, subjects), None, None, None),
        "trained_with": {name: network.passes for name, (network, _) in loaded.items()},
        **{measured: {name: [] for name in loaded} for measured in (*_MEASURED, "regions")},
    }
    score = dice_of(list(data.protocol.labels), data.protocol.groups)
    examples = [[subjects[name] for name in pair] for pair in listed]
    for name, (network, description) in loaded.items():
        for passes in range(1, most + 1):
            used = with_passes(network, passes, coarse)
            registrar = (
                PairRegistrar(used, description, symmetric=True)
                if symmetric
                else Registrar(used, description["spacing"])
            )
            shown = track(examples, f"{name}, {passes}", console=Console(stderr=True))
            scores = [_scores(m, f, registrar.displacement(m, f), score) for m, f in shown]
            for measured in (*_MEASURED, "regions"):
                results[measured][name].append([of[measured] for of in scores])
    print(store(output, "passes", results, markdown))


def _scores(moving: Any, fixed: Any, displacement: NDArray, score: Score) -> dict[str, Any]:
    found = {name: round(dice, 4) for name, dice in score(moving, fixed, displacement).items()}
    determinant = jacobian_determinant(displacement)
    return {
        "dice": found.pop(ALL),
        "regions": found,
        "folding": round(float(folding_fraction(determinant)), 7),
        "sdlogj": round(float(sdlogj(determinant)), 4),
    }


def markdown(results: Mapping[str, Any]) -> str:
    """Tables of mean Dice, of folding and SDlogJ, and of Dice by region, by number of passes.

    Parameters
    ----------
    results
        As written to `passes.json`.
    """
    record, most = results["provenance"], results["provenance"]["config"]["most"]
    coarse = record["config"].get("coarse", 0)  # of older results: none
    before = f", after {coarse} at half the resolution" if coarse else ""
    before += ", in both directions" if record["config"].get("symmetric") else ""
    lines = [
        f"Mean Dice over the labels of {len(record['config']['pairs'])} validation pairs of "
        f"{record['config']['protocol']}, of networks that look once to {most} times, with the "
        f"same weights{before}; commit {record['git']['commit'][:9]}, {record['created'][:10]}.",
    ]
    head = [
        f"| method | trained with | {' | '.join(map(str, range(1, most + 1)))} |",
        f"|---|{'---:|' * (most + 1)}",
    ]
    for measured, (title, factor, form) in _MEASURED.items():
        lines += ["", *([title, ""] if title else []), *head]
        for name, scores in results[measured].items():
            means = [form.format(factor * statistics.mean(of)) for of in scores]
            cells = [method_of(name).title, str(results["trained_with"][name]), *means]
            lines.append(f"| {' | '.join(cells)} |")
    lines += _by_region(results.get("regions", {}))  # older results have none
    return "\n".join(lines) + "\n"


def _by_region(regions: Mapping[str, Sequence[Sequence[Mapping[str, float]]]]) -> list[str]:
    if not regions:
        return []
    names = list(next(iter(regions.values()))[0][0])  # all are of one protocol
    head = f"| method | passes | {' | '.join(names)} |"
    lines = ["", "Dice by region:", "", head, f"|---|{'---:|' * (len(names) + 1)}"]
    for method, scores in regions.items():
        for passes, of in enumerate(scores, start=1):
            means = [f"{statistics.mean(pair[name] for pair in of):.4f}" for name in names]
            lines.append(f"| {method_of(method).title} | {passes} | {' | '.join(means)} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
