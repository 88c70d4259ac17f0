"""Settings of the refinement compared on validation pairs: what they are worth and what they cost.

    python -m pmrnet.bench.refinement --dataset lpba40 --weights lpba40-general --pairs 5

The settings are in a YAML file, names with what differs from the default. Results are stored after
each of them; `--resume` goes on with those that are missing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from pmrnet.bench.exit_status import exit_status
from pmrnet.bench.mean_dice import mean_dice
from pmrnet.bench.refinement_trial import EXAMPLE, measure, read_list
from pmrnet.bench.report import store
from pmrnet.bench.some_pairs import pairs_of
from pmrnet.calibration.study import spread
from pmrnet.errors import InputError
from pmrnet.provenance import collect
from pmrnet.refinement_settings import Refinement
from pmrnet.weights.passes import passes_of

FOLDER = Path("experiments/bench")
_NAME = "refinement"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pmrnet.bench.refinement",
        description="Compare settings of the refinement on validation pairs of a data set.",
    )
    parser.add_argument("--dataset", default="lpba40", help="name, or YAML file")
    parser.add_argument("--weights", default="lpba40-general", help="shipped name or JSON file")
    parser.add_argument("--pairs", type=int, default=5, help="number of validation pairs (5)")
    parser.add_argument("--settings", type=Path, default=Path(EXAMPLE))
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder of the results")
    parser.add_argument("--resume", action="store_true", help="keep what is measured already")
    options = parser.parse_args(arguments)
    return exit_status(
        lambda: run(
            options.dataset,
            options.weights,
            options.pairs,
            read_list(options.settings),
            options.output,
            options.resume,
        )
    )


def run(
    dataset: str,
    weights: str,
    pairs: int,
    settings: Mapping[str, Refinement],
    output: Path,
    resume: bool = False,
) -> None:
    """Measure the settings and write `refinement.json` and `refinement.md`.

    Parameters
    ----------
    dataset
        Name or YAML file; its validation subjects must be prepared.
    weights
        Name or path, as for `pmrnet register`.
    pairs
        How many validation pairs, taken evenly from all.
    settings
        By name.
    output
        Folder of the two files.
    resume
        Keep the measurements of the same settings, pairs, weights and commit that are there.

    Raises
    ------
    InputError
        If there are no such weights or pairs.
    """
    from pmrnet.dataset import Dataset
    from pmrnet.network_field import load_field_model
    from pmrnet.workflow import data_identity

    data = Dataset.load(dataset)
    listed = spread(pairs_of(data, "validation", pairs), pairs)
    subjects = data.subjects(sorted({name for pair in listed for name in pair}))
    model = load_field_model(weights)
    sha256 = model.description["sha256"]
    config = {
        "protocol": data.name,
        "weights": weights,
        "passes": passes_of(model.description),
        "pairs": [list(pair) for pair in listed],
    }
    provenance = collect(config, data_identity(data, subjects), None, None, sha256)
    results: dict[str, Any] = {
        "provenance": provenance,
        "load": os.getloadavg()[0],
        "measured": _kept(output / f"{_NAME}.json", provenance, settings) if resume else {},
    }
    dice = mean_dice(list(data.protocol.labels))
    console = Console(stderr=True)
    pairs_of_subjects = [[subjects[name] for name in pair] for pair in listed]
    for name, chosen in settings.items():
        if name not in results["measured"]:
            shown = track(pairs_of_subjects, name, console=console)
            results["measured"][name] = measure(model, chosen, shown, dice)
            store(output, _NAME, results, markdown)
    print(markdown(results))


def _kept(path: Path, provenance: Mapping[str, Any], settings: Mapping[str, Any]) -> dict:
    """Measurements of an earlier run that this one would make again."""
    if not path.is_file():
        return {}
    try:
        stored = json.loads(path.read_text())
        before, measured = stored["provenance"], stored["measured"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: expected the results of an earlier run to go on from, found a damaged file "
            f"({error!r}); delete it, or leave out --resume."
        ) from error
    # As the file has them: tuples are lists there.
    provenance, wanted = json.loads(
        json.dumps([provenance, {name: asdict(one) for name, one in settings.items()}])
    )
    same = ("config", "data", "weights_sha256", "machine")
    # What is measured has one commit; whether the tree is clean changes with the file itself.
    if any(before[key] != provenance[key] for key in same) or (
        before["git"]["commit"] != provenance["git"]["commit"]
    ):
        return {}
    return {name: of for name, of in measured.items() if of["settings"] == wanted.get(name)}


def markdown(results: Mapping[str, Any]) -> str:
    """Table of means over pairs, and of medians of seconds without the first pair, which compiles.

    Parameters
    ----------
    results
        As written to `refinement.json`.
    """
    record = results["provenance"]
    machine, config = record["machine"], record["config"]
    looks = f", which looks {config['passes']} times," if config["passes"] != 1 else ""
    named = ", ".join(f"{moving} → {fixed}" for moving, fixed in config["pairs"])
    lines = [
        f"Refinement from `{config['weights']}`{looks} on {len(config['pairs'])} validation pairs "
        f"of {config['protocol']} ({named}), {machine['cores']} cores of {machine['cpu']}, "
        f"CPU only, {record['created'][:10]}, commit {record['git']['commit'][:9]}. Dice is the "
        "mean over labels and pairs, as in the tables; steps are those of the last pair; CPU "
        "seconds of all cores are medians over the pairs after the first, in which a setting is "
        "compiled. "
        f"Load average before: {results['load']:.1f}.",
        "",
        "| settings | steps | Dice | folding, % | CPU seconds |",
        "|---|---|---:|---:|---:|",
    ]
    for name, of in results["measured"].items():
        cells = [
            name,
            " + ".join(map(str, of["steps"][-1])) or "none",
            f"{statistics.mean(of['dice']):.4f}",
            f"{100 * statistics.mean(of['folding']):.4f}",
            f"{statistics.median(of['cpu'][1:] or of['cpu']):.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
