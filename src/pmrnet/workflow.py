"""The commands of the tables: prepare, train, evaluate, tabulate.

A data set is named (`data_splits/<name>.yaml`) or given as the path of such a file; where its
volumes, experiments and results are, `pmrnet.dataset` says.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pmrnet.config import Experiment
from pmrnet.data.prepared import PreparedSubject
from pmrnet.dataset import Dataset
from pmrnet.errors import InputError
from pmrnet.provenance import collect, sha256_of

#: rows that need no network, and how labels are aligned for them
ALIGNMENTS = {"none": "header", "affine": "affine"}


def data_identity(dataset: Dataset, subjects: dict[str, PreparedSubject]) -> dict[str, Any]:
    """What the data are: settings of the preparation and checksums of the inputs, without paths."""
    records = {
        name: json.loads((subject.folder / "subject.json").read_text())
        for name, subject in subjects.items()
    }
    return {
        "dataset": dataset.source,
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


def prepare(dataset: str, raw: Path | None = None) -> None:
    """Make the network-ready volumes of a data set; see `pmrnet.preparation.prepare`."""
    from pmrnet import preparation

    preparation.prepare(Dataset.load(dataset), raw)


def train(dataset: str, method: str) -> Path:
    """Train a method's experiment, or go on where it was stopped.

    Returns
    -------
    pathlib.Path
        The JSON of the best weights.
    """
    from pmrnet.training import train as run_training

    data = Dataset.load(dataset)
    experiment = Experiment.load(data.experiment(method))
    subjects = data.subjects(data.protocol.train + data.protocol.validation)
    identity = data_identity(data, subjects)
    return run_training(experiment, data.protocol, subjects, data.run(method), identity)


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
    data = Dataset.load(dataset)
    trained = data.run(method) / "weights.json"
    if trained.is_file():
        return str(trained)
    if f"{data.name}-{method}" in available():
        return f"{data.name}-{method}"
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

    source = Dataset.load(dataset)
    protocol = source.protocol
    if not (protocol.labels and protocol.test):
        raise InputError(
            f"{dataset}: expected labels and test subjects to score, found none in its file; add "
            "`labels:` and `test:` to it."
        )
    subjects = source.subjects(protocol.test)
    out = out or source.results / method
    data = data_identity(source, subjects)
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

    data = Dataset.load(dataset)
    network, description = weights.load_network(data.run(method) / "weights.json")
    return weights.save_weights(
        network,
        description["network"],
        Path(weights.__file__).parent / f"{data.name}-{method}",
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

    data = Dataset.load(dataset)
    stored = load_result(data.results / method)
    if stored is None:
        evaluate(dataset, method, weights)
        return None
    again_folder = data.run(method) / "evaluation"
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

    data = Dataset.load(dataset)
    folder = data.experiments
    methods = [*ALIGNMENTS, *sorted(path.stem for path in folder.glob("*.yaml"))]
    titles = {"none": "No registration", "affine": "Affine", "pmrnet": "PMR-Net"}
    rows = [
        Row(m, titles.get(m, m), f"make train evaluate DATASET={dataset} METHOD={m}")
        for m in methods
    ]
    paper = folder / "paper_table1.csv"
    return build_table(
        data.protocol,
        rows,
        data.results,
        folder,
        paper_csv=paper if paper.is_file() else None,
        name="table1",
    )
