"""The commands of the tables: prepare, train, evaluate, tabulate, for a data set by its name.

A data set's name stands for `data_splits/<name>.yaml` (its protocol), `data/prepared/<name>` (its
network-ready volumes) and `experiments/<name>/` (its experiments and results); all paths are
relative to the current folder, the project's root.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pmrnet.config import Experiment
from pmrnet.data.prepared import PreparedSubject
from pmrnet.errors import InputError
from pmrnet.protocol import Protocol
from pmrnet.provenance import collect, sha256_of

#: rows that need no network, and how labels are aligned for them
ALIGNMENTS = {"none": "header", "affine": "affine"}


def prepared_folder(dataset: str) -> Path:
    """Folder of the network-ready volumes."""
    return Path("data/prepared") / dataset


def experiment_folder(dataset: str) -> Path:
    """Folder of the experiments and results."""
    return Path("experiments") / dataset


def run_folder(dataset: str, method: str) -> Path:
    """Folder of checkpoints, logs and weights of a training."""
    return Path("runs") / dataset / method


def load_subjects(dataset: str, names: tuple[str, ...]) -> dict[str, PreparedSubject]:
    """Prepared subjects by name.

    Raises
    ------
    InputError
        If one of them is not prepared.
    """
    folder = prepared_folder(dataset)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: expected the prepared volumes of {dataset}, found none; run "
            f"`make data DATASET={dataset}`."
        )
    return {name: PreparedSubject.load(folder / name) for name in names}


def data_identity(dataset: str, subjects: dict[str, PreparedSubject]) -> dict[str, Any]:
    """What the data are: settings of the preparation and checksums of the inputs, without paths."""
    records = {
        name: json.loads((subject.folder / "subject.json").read_text())
        for name, subject in subjects.items()
    }
    return {
        "dataset": dataset,
        "settings_sha256": sha256_of([r.get("settings") for r in records.values()]),
        "inputs_sha256": sha256_of(
            {
                name: {
                    kind: {key: value for key, value in entry.items() if key != "path"}
                    for kind, entry in record["inputs"].items()
                }
                for name, record in records.items()
            }
        ),
    }


def prepare(dataset: str, raw: Path) -> None:
    """Make the network-ready volumes of a data set; what is done already is kept.

    Raises
    ------
    InputError
        If the data set is unknown or its files are not found in `raw`.
    """
    if dataset == "demo":
        from pmrnet.data.phantom import make_demo_dataset

        make_demo_dataset(Path("data/raw/demo"), prepared_folder(dataset), Protocol.load("demo"))
        return
    if dataset != "lpba40":
        raise InputError(f"DATASET: expected lpba40 or demo, found {dataset!r}; name one of them.")
    from pmrnet.data.lpba40 import SUBJECTS, find_subjects, label_orientation
    from pmrnet.data.prepare import prepare_dataset

    prepare_dataset(
        find_subjects(raw, SUBJECTS), prepared_folder(dataset), orientation=label_orientation
    )


def train(dataset: str, method: str) -> Path:
    """Train a method's experiment, or go on where it was stopped.

    Returns
    -------
    pathlib.Path
        The JSON of the best weights.
    """
    from pmrnet.training import train as run_training

    experiment = Experiment.load(experiment_folder(dataset) / f"{method}.yaml")
    protocol = Protocol.load(dataset)
    subjects = load_subjects(dataset, protocol.train + protocol.validation)
    folder = run_folder(dataset, method)
    return run_training(experiment, protocol, subjects, folder, data_identity(dataset, subjects))


def weights_of(dataset: str, method: str, weights: str | None = None) -> str:
    """Weights to evaluate: the ones named, else those trained here, else the shipped ones.

    Raises
    ------
    InputError
        If there are none.
    """
    from pmrnet.weights import available

    if weights:
        return weights
    trained = run_folder(dataset, method) / "weights.json"
    if trained.is_file():
        return str(trained)
    if f"{dataset}-{method}" in available():
        return f"{dataset}-{method}"
    raise InputError(
        f"{method}: expected weights in {trained} or shipped ones, found none; run "
        f"`make train DATASET={dataset} METHOD={method}`."
    )


def evaluate(
    dataset: str,
    method: str,
    weights: str | None = None,
    out: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Register and score all test pairs of a data set by one method.

    Parameters
    ----------
    dataset, method
        Names; the methods `none` and `affine` need no weights.
    weights
        Shipped name or JSON path; see `weights_of`.
    out
        Folder of the result; `experiments/<dataset>/results/<method>` by default.
    overwrite
        Replace a stored result of other weights.

    Returns
    -------
    pathlib.Path
        Folder of the result.
    """
    from pmrnet import evaluation

    protocol = Protocol.load(dataset)
    subjects = load_subjects(dataset, protocol.test)
    out = out or experiment_folder(dataset) / "results" / method
    data = data_identity(dataset, subjects)
    if method in ALIGNMENTS:
        evaluation.evaluate(
            method,
            protocol.pairs("test"),
            subjects,
            None,
            protocol,
            out,
            collect({"method": method}, data, None, None, None),
            alignment=ALIGNMENTS[method],
            overwrite=overwrite,
        )
        return out
    from pmrnet.inference import Registrar
    from pmrnet.weights import load_network

    network, description = load_network(weights_of(dataset, method, weights))
    training = description["training"]
    registrar = Registrar(network, description["spacing"])
    names = list(protocol.test)
    registrar.displacement(subjects[names[0]], subjects[names[1]])  # compile before timing
    evaluation.evaluate(
        method,
        protocol.pairs("test"),
        subjects,
        registrar.displacement,
        protocol,
        out,
        collect(
            training["config"],
            data,
            training["seed"],
            training["steps"],
            description["sha256"],
        ),
        network_images=lambda name: subjects[name].image,
        overwrite=overwrite,
    )
    return out


def ship(dataset: str, method: str) -> Path:
    """Put the weights trained here among those that the package ships, as `<dataset>-<method>`."""
    from pmrnet import weights

    network, description = weights.load_network(run_folder(dataset, method) / "weights.json")
    return weights.save_weights(
        network,
        description["network"],
        Path(weights.__file__).parent / f"{dataset}-{method}",
        description["spacing"],
        description["training"],
    )


def reproduce(dataset: str, method: str, weights: str | None = None) -> float | None:
    """Evaluate anew and compare with the stored result, if there is one.

    Returns
    -------
    float or None
        Largest difference of a pair's Dice of a label; None where nothing was stored.
    """
    from pmrnet.results import load_result

    stored_folder = experiment_folder(dataset) / "results" / method
    stored = load_result(stored_folder)
    if stored is None:
        evaluate(dataset, method, weights)
        return None
    again_folder = run_folder(dataset, method) / "evaluation"
    evaluate(dataset, method, weights, out=again_folder, overwrite=True)
    again = load_result(again_folder)
    keys = ["moving", "fixed", "label"]
    both = stored.pairs.merge(again.pairs, on=keys, how="outer", suffixes=("", "_again"))
    difference = (both["dice"] - both["dice_again"]).abs()
    return float("inf") if len(both) != len(stored.pairs) else float(difference.max())


def table(dataset: str) -> str:
    """Table of a data set from its stored results: Markdown, also written beside them."""
    from pmrnet.table_text import Row
    from pmrnet.tables import build_table

    folder = experiment_folder(dataset)
    methods = [*ALIGNMENTS, *sorted(path.stem for path in folder.glob("*.yaml"))]
    titles = {"none": "No registration", "affine": "Affine", "pmrnet": "PMR-Net"}
    rows = [
        Row(m, titles.get(m, m), f"make train evaluate DATASET={dataset} METHOD={m}")
        for m in methods
    ]
    paper = folder / "paper_table1.csv"
    return build_table(
        Protocol.load(dataset),
        rows,
        folder / "results",
        folder,
        paper_csv=paper if paper.is_file() else None,
        name="table1",
    )
