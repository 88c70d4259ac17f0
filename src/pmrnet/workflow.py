"""The commands of the tables: prepare, train, evaluate, tabulate.

A data set is named (`data_splits/<name>.yaml`) or given as the path of such a file; where its
volumes, experiments and results are, `pmrnet.dataset` says.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pmrnet.config import Experiment
from pmrnet.data.prepared import PreparedSubject
from pmrnet.dataset import RECIPES, Dataset
from pmrnet.errors import InputError
from pmrnet.provenance import collect, sha256_of

#: rows that need no network, and how labels are aligned for them
ALIGNMENTS = {"none": "header", "affine": "affine"}
#: data sets of the paper's tables
PAPER_TABLES = {"lpba40": "table1", "mindboggle": "table2", "oasis-trt": "table2"}


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
    mixed = []
    for name in experiment.mix:
        prepare(name)
        other = Dataset.load(name)
        added = other.subjects(other.protocol.train)
        identity.setdefault("mixed", {})[name] = data_identity(other, added)
        mixed.append(list(added.values()))
    return run_training(experiment, data.protocol, subjects, data.run(method), identity, mixed)


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
    hd95: bool = True,
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
    hd95
        Measure the distance of the labels' surfaces too.

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
            hd95=hd95,
        )
        return out
    from pmrnet.inference import Registrar
    from pmrnet.process_memory import peak_memory_gib
    from pmrnet.weights import load_network

    network, description = load_network(weights_of(dataset, method, weights))
    training = description["training"]
    registrar = Registrar(network, description["spacing"])
    names = list(protocol.test)
    registrar.displacement(subjects[names[0]], subjects[names[1]])  # compile before timing
    cost = {
        "parameters": network.count_params(),
        "training_seconds": training.get("seconds"),
        "peak_memory_gib": peak_memory_gib(),
    }
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
        )
        | {"cost": cost},
        network_images=lambda name: subjects[name].image,
        overwrite=overwrite,
        hd95=hd95,
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


def reproduce(
    dataset: str, method: str, weights: str | None = None, hd95: bool = True
) -> float | None:
    """Evaluate anew and compare with the stored result, if there is one.

    The parameters are those of `evaluate`.

    Returns
    -------
    float or None
        Largest difference of a pair's Dice of a label; None where nothing was stored.
    """
    from pmrnet.results import load_result

    data = Dataset.load(dataset)
    stored = load_result(data.results / method)
    if stored is None:
        evaluate(dataset, method, weights, hd95=hd95)
        return None
    again_folder = data.run(method) / "evaluation"
    evaluate(dataset, method, weights, out=again_folder, overwrite=True, hd95=hd95)
    again = load_result(again_folder)
    keys = ["moving", "fixed", "label"]
    both = stored.pairs.merge(again.pairs, on=keys, how="outer", suffixes=("", "_again"))
    difference = (both["dice"] - both["dice_again"]).abs()
    return float("inf") if len(both) != len(stored.pairs) else float(difference.max())


def table(dataset: str) -> str:
    """Table of a data set from its stored results: Markdown, also written beside them.

    ``table1`` of LPBA40 and ``table2`` of the data sets of Mindboggle-101 have a row for every
    method of `pmrnet.methods`, ``table`` of other data sets those that they have an experiment or
    a result of. The paper's rows come from ``paper_<table>.csv``. Files: see
    `pmrnet.tables.build_table`.
    """
    from pmrnet.methods import METHODS, REFERENCE, in_order, method_of
    from pmrnet.table_rows import Row
    from pmrnet.tables import build_table

    data = Dataset.load(dataset)
    name = PAPER_TABLES.get(data.name, "table")
    known = [*ALIGNMENTS, *(path.stem for path in data.experiments.glob("*.yaml"))]
    known += [path.parent.name for path in data.results.glob("*/result.json")]
    known += METHODS if data.name in PAPER_TABLES else ()
    rows = []
    for method in in_order(known):
        shown = method_of(method)
        goals = "train evaluate" if shown.trained else "evaluate"
        command = f"make {goals} DATASET={dataset} METHOD={method}"
        rows.append(Row(method, shown.title, command, shown.paper))
    # The splits of Mindboggle-101 share the paper's rows.
    folders = [data.experiments, Path("experiments") / data.source]
    printed = [path for folder in folders if (path := folder / f"paper_{name}.csv").is_file()]
    return build_table(
        data.protocol,
        rows,
        data.results,
        data.experiments,
        paper_csv=printed[0] if printed else None,
        name=name,
        reference=REFERENCE,
    )


def tables(datasets: Sequence[str] = tuple(PAPER_TABLES)) -> dict[str, str]:
    """Make whole tables: train what has no weights, score what is not scored, tabulate.

    Whatever is stored stays and a training that was stopped goes on, so that the call can be
    repeated. A row that cannot be made, for want of data, of an extra or of memory, is said and
    skipped. Each training and each evaluation has a process of its own, which gives its memory
    back.

    Parameters
    ----------
    datasets
        Names; those of the paper's tables by default.

    Returns
    -------
    dict of str to str
        By data set, the Markdown of its table.
    """
    from pmrnet.methods import METHODS, in_order

    untrained = {method for method, shown in METHODS.items() if not shown.trained}
    made = {}
    for dataset in datasets:
        data = Dataset.load(dataset)
        recipes = (data.experiments, Path("experiments") / RECIPES)
        files = {path.stem for folder in recipes for path in folder.glob("*.yaml")}
        for method in in_order(untrained | files):
            try:
                _complete(data, dataset, method)
            except (InputError, ImportError, MemoryError) as reason:
                _say(f"{dataset} {method}: skipped: {reason}")
        made[dataset] = table(dataset)
        _say(f"{dataset}: table written to {data.experiments}")
    return made


def _complete(data: Dataset, dataset: str, method: str) -> None:
    """Train and score one row as far as it is not done."""
    from pmrnet.methods import method_of
    from pmrnet.own_process import in_own_process
    from pmrnet.results import load_result

    stored = load_result(data.results / method)
    run = data.run(method)
    weights = None
    if method_of(method).trained:
        begun = (run / "experiment.sha256").is_file() and not (run / "weights.json").is_file()
        with suppress(InputError):  # there are none yet
            weights = None if begun else weights_of(dataset, method)
        if begun or (weights is None and stored is None):
            _say(f"{dataset} {method}: training{' goes on' if begun else ''}")
            weights = str(in_own_process(train, dataset, method))
    current = stored is not None and stored.protocol_hash == data.protocol.hash
    if current and weights and stored.provenance.get("weights_sha256") != _sha256_of(weights):
        raise InputError(
            f"Expected the stored result in {data.results / method} to be of the weights "
            f"{weights}, found one of others: run `pmrnet evaluate --dataset {dataset} --method "
            f"{method} --overwrite` to replace it."
        )
    if current:
        _say(f"{dataset} {method}: scored already")
        return
    _say(f"{dataset} {method}: registering and scoring the test pairs")
    in_own_process(evaluate, dataset, method)


def _sha256_of(weights: str) -> str:
    """Checksum of weights, by shipped name or JSON path, without loading them."""
    from pmrnet import weights as shipped

    path = Path(weights)
    if path.suffix != ".json":
        path = Path(shipped.__file__).parent / f"{weights}.json"
    return json.loads(path.read_text())["sha256"]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
