"""What tells where a registration is wrong: rank correlations of maps with errors.

    python -m pmrnet.bench.error_signs --datasets lpba40 demo

Errors are those of `pmrnet calibrate`, see `pmrnet.calibration`. Validation pairs only.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import track
from scipy import stats

from pmrnet.bench.exit_status import exit_status
from pmrnet.bench.report import store
from pmrnet.bench.some_pairs import pairs_of
from pmrnet.calibration import error_signs
from pmrnet.calibration.study import spread
from pmrnet.image_warp import warp_image
from pmrnet.provenance import collect

if TYPE_CHECKING:
    from pmrnet.calibration.pairs import PairErrors

#: what is compared with the errors, and how the table calls it
SIGNS = {
    "posterior": "standard deviation of the posterior, with its temperature",
    "round_trip": "disagreement with the pair registered the other way round",
    "volume_change": "logarithm of the Jacobian determinant, absolute",
    "strain": "norm of the displacement's gradient",
    "dissimilarity": "1 - local correlation of the moved and the fixed image",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pmrnet.bench.error_signs",
        description="Compare maps with the errors of registrations of validation pairs.",
    )
    parser.add_argument(
        "--datasets", nargs="+", default=["lpba40", "demo"], help="names, or YAML files"
    )
    parser.add_argument("--weights", default="lpba40-general", help="shipped name, or JSON file")
    parser.add_argument("--pairs", type=int, default=6, help="validation pairs of each (6)")
    parser.add_argument(
        "--output", type=Path, default=Path("experiments/bench"), help="folder of the results"
    )
    options = parser.parse_args(arguments)
    return exit_status(run, options.datasets, options.weights, options.pairs, options.output)


def run(datasets: Sequence[str], weights: str, pairs: int, output: Path) -> None:
    """Compare the maps with errors and write `error_signs.json` and `error_signs.md`.

    Parameters
    ----------
    datasets
        Names or YAML files, with labels or built-in; their validation subjects must be prepared.
    weights
        Shipped name, or JSON file, of a network with a posterior.
    pairs
        How many validation pairs of each, taken evenly from all.
    output
        Folder of the two files.

    Raises
    ------
    InputError
        If there are no such weights or pairs, or nothing to measure errors against.
    """
    from pmrnet.calibration.pairs import PairErrors
    from pmrnet.calibration.prediction import Predictor
    from pmrnet.dataset import Dataset
    from pmrnet.weights import load_network
    from pmrnet.weights.passes import looking, passes_of
    from pmrnet.workflow import data_identity

    network, description = looking(*load_network(weights))
    fitted = description["calibration"] or {}
    predictor = Predictor(network, description["spacing"])
    config: dict[str, Any] = {
        "weights": weights,
        "temperature": fitted.get("temperature", 1.0),
        "passes": passes_of(description),
        "pairs": {},
    }
    data_used, correlations = {}, {}
    for given in datasets:
        data = Dataset.load(given)
        listed = spread(pairs_of(data, "validation", pairs), pairs)
        config["pairs"][data.name] = [list(pair) for pair in listed]
        subjects = data.subjects(data.protocol.validation)
        data_used[data.name] = data_identity(data, subjects)
        errors = PairErrors(data, subjects, predictor)
        shown = track(listed, data.name, console=Console(stderr=True))
        found = [_correlations(*pair, errors, config["temperature"]) for pair in shown]
        correlations[data.name] = {sign: [of[sign] for of in found] for sign in SIGNS}
    results = {
        "provenance": collect(config, data_used, None, None, description["sha256"]),
        "spearman": correlations,
    }
    print(store(output, "error_signs", results, markdown))


def _correlations(
    moving_name: str, fixed_name: str, errors: PairErrors, temperature: float
) -> dict[str, float]:
    """Spearman's rank correlation, over places of a pair, of each sign with the error."""
    located, predictor = errors.located(moving_name, fixed_name), errors.predictor
    moving, fixed = errors.subjects[moving_name], errors.subjects[fixed_name]
    displacement = predictor.displacement(moving, fixed)
    maps = {
        "round_trip": error_signs.round_trip(displacement, predictor.displacement(fixed, moving)),
        "volume_change": error_signs.volume_change(displacement),
        "strain": error_signs.strain(displacement),
        "dissimilarity": error_signs.local_dissimilarity(
            warp_image(moving.image, displacement), fixed.image
        ),
    }
    points = located.with_deviation(predictor.deviation(moving, fixed, temperature))
    values = {"posterior": points.predicted, **{k: located.values(m) for k, m in maps.items()}}
    return {
        sign: round(float(stats.spearmanr(of, points.actual)[0]), 4) for sign, of in values.items()
    }


def markdown(results: Mapping[str, Any]) -> str:
    """Table of the mean rank correlation of each sign, by data set.

    Parameters
    ----------
    results
        As written to `error_signs.json`.
    """
    record, found = results["provenance"], results["spearman"]
    counts = ", ".join(f"{len(of)} of {name}" for name, of in record["config"]["pairs"].items())
    lines = [
        f"Rank correlation (Spearman), over places of a pair, of maps with the error of the "
        f"registration there, mean (and range) over validation pairs: {counts}; weights "
        f"{record['config']['weights']}, {record['config']['passes']} looks; commit "
        f"{record['git']['commit'][:9]}, {record['created'][:10]}.",
        "",
        f"| | {' | '.join(found)} |",
        f"|---|{'---:|' * len(found)}",
    ]
    for sign, title in SIGNS.items():
        cells = [
            f"{statistics.mean(of[sign]):.2f} ({min(of[sign]):.2f} to {max(of[sign]):.2f})"
            for of in found.values()
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
