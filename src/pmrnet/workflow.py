"""The commands of the tables: prepare, train, evaluate, tabulate.

A data set is named (`data_splits/<name>.yaml`) or given as the path of such a file; where its
volumes, experiments and results are, `pmrnet.dataset` says.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from pmrnet.config import Experiment
from pmrnet.data.prepared import PreparedSubject
from pmrnet.dataset import Dataset, check_project
from pmrnet.errors import InputError
from pmrnet.files import atomic_write_text
from pmrnet.make_command import make_command
from pmrnet.method_run import method_run, settings_of_use, used_config
from pmrnet.methods import ALIGNMENTS, REFERENCES, method_of
from pmrnet.optimised import Optimised, recipe_of
from pmrnet.provenance import config_sha256, sha256_of
from pmrnet.rows import PAPER_TABLES, is_trained_here, listed, row_of, to_make
from pmrnet.trained_weights import weights_of, weights_sha256
from pmrnet.weights.passes import Passes


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


def prepare(dataset: str, raw: Path | None = None, processes: int | None = None) -> None:
    """Make the network-ready volumes of a data set; see `pmrnet.preparation.prepare`."""
    from pmrnet import preparation

    preparation.prepare(Dataset.load(dataset), raw, processes)


def train(dataset: str, method: str) -> Path:
    """Train a method's experiment, or go on where it was stopped.

    Returns
    -------
    pathlib.Path
        The JSON of the best weights.

    Raises
    ------
    InputError
        If there is nothing to train.
    """
    from pmrnet.training import train as run_training

    data = Dataset.load(dataset)
    if not is_trained_here(data, method):
        raise InputError(
            f"{method}: expected a network to train on {data.name}, found a method that is not "
            f"trained on it; run `{make_command('evaluate', dataset, method)}`."
        )
    experiment = Experiment.load(data.experiment(method))
    subjects = data.subjects(data.protocol.train + data.protocol.validation)
    identity = data_identity(data, subjects)
    mixed = []
    for name in experiment.mix:
        prepare(name)
        other = Dataset.load(name)
        added = other.subjects(other.protocol.train + other.protocol.validation)
        identity.setdefault("mixed", {})[name] = data_identity(other, added)
        mixed.append((other.protocol, added))
    return run_training(experiment, data.protocol, subjects, data.run(method), identity, mixed)


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
        Names; `pmrnet@lpba40` is the method `pmrnet` with the weights of the data set lpba40.
    weights
        Shipped name or JSON path; see `pmrnet.trained_weights.weights_of`.
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
    stored_at = {float(subject.spacing) for subject in subjects.values()}
    if stored_at != {protocol.spacing_mm}:
        raise InputError(
            f"{dataset}: scoring: spacing_mm: expected {', '.join(f'{s:g}' for s in stored_at)}, "
            "the voxel size in mm that the prepared volumes have, in which displacements are "
            f"given, found {protocol.spacing_mm:g}; correct it."
        )
    out = out or source.results / method
    run = method_run(source, method, subjects, data_identity(source, subjects), weights)
    evaluation.evaluate(
        method,
        protocol.pairs("test"),
        subjects,
        run.displacement,
        protocol,
        out,
        run.provenance,
        network_images=lambda name: subjects[name].image,
        alignment=run.alignment,
        overwrite=overwrite,
        hd95=hd95,
    )
    return out


def ship(dataset: str, method: str, passes: Passes | None = None) -> Path:
    """Put the weights trained here among those that the package ships, as `<dataset>-<method>`.

    Those of a large network are stored in half precision, and a row's scores come from what ships.
    Their model card is written beside them. A temperature of earlier weights of that name, or of
    another number of passes, is of no use any more and goes. `passes` is how often the network
    should look in registrations, as `pmrnet.weights.passes` writes it, if not as it was trained to.
    """
    from pmrnet import weights
    from pmrnet.weights.card import model_card
    from pmrnet.weights.half_precision import LARGE
    from pmrnet.weights.passes import looking
    from pmrnet.weights.temperature import fits, read_temperature, temperature_path

    data = Dataset.load(dataset)
    if not (trained := data.run(method) / "weights.json").is_file():
        raise InputError(
            f"{trained}: expected weights that were trained here, found none; run "
            f"`{make_command('train', data.given, method)}`."
        )
    network, description = weights.load_network(trained)
    _, used = looking(network, {**description, "passes": passes})  # or it says why not
    name = f"{data.name}-{method}"
    path = weights.save_weights(
        network,
        description["network"],
        Path(weights.__file__).parent / name,
        description["spacing"],
        description["training"],
        half_precision=network.count_params() > LARGE,
        passes=passes,
    )
    shipped = json.loads(path.read_text())
    atomic_write_text(path.with_suffix(".md"), model_card(name, shipped, data, method))
    if not fits(read_temperature(path, shipped["sha256"]), used):
        temperature_path(path).unlink(missing_ok=True)
    return path


class Reproduction(NamedTuple):
    """An evaluation made anew beside the stored one.

    Attributes
    ----------
    difference
        Largest difference of a pair's Dice of a label.
    stored, again
        Mean Dice of each.
    of_others
        Which of weights, settings and data are others than the stored result's.
    folder
        Of the new one.
    """

    difference: float
    stored: float
    again: float
    of_others: tuple[str, ...]
    folder: Path


def reproduce(
    dataset: str, method: str, weights: str | None = None, hd95: bool = True
) -> Reproduction | None:
    """Evaluate anew and compare with the stored result, if there is one.

    The parameters are those of `evaluate`.

    Returns
    -------
    Reproduction or None
        None where nothing was stored.

    Raises
    ------
    InputError
        If the stored result is of another protocol.
    """
    from pmrnet.results import largest_difference, load_result, mean_dice

    data = Dataset.load(dataset)
    stored = load_result(data.results / method)
    if stored is None:
        evaluate(dataset, method, weights, hd95=hd95)
        return None
    if stored.protocol_hash != data.protocol.hash:
        raise InputError(
            f"{data.results / method}: expected a result of the protocol {data.protocol.hash}, "
            f"found one of {stored.protocol_hash}, which has other pairs, labels or data; evaluate "
            "with --overwrite to replace it."
        )
    again_folder = data.run(method) / "evaluation"
    evaluate(dataset, method, weights, out=again_folder, overwrite=True, hd95=hd95)
    again = load_result(again_folder)
    kinds = {"weights": "weights", "config": "settings", "data": "data"}
    return Reproduction(
        largest_difference(stored, again),
        mean_dice(stored),
        mean_dice(again),
        tuple(
            shown
            for kind, shown in kinds.items()
            if stored.identity.get(f"{kind}_sha256") != again.identity.get(f"{kind}_sha256")
        ),
        again_folder,
    )


def table(dataset: str) -> str:
    """Table of a data set from its stored results: Markdown, also written beside them.

    ``table1`` of LPBA40 and ``table2`` of the data sets of Mindboggle-101 have the paper's rows
    too, from ``paper_<table>.csv``; other data sets have a ``table``. Rows: see
    `pmrnet.rows.listed`, files: `pmrnet.tables.build_table`.
    """
    from pmrnet.tables import build_table

    check_project()
    data = Dataset.load(dataset)
    name = PAPER_TABLES.get(data.name, "table")
    # The splits of Mindboggle-101 share the paper's rows.
    folders = [data.experiments, Path("experiments") / data.source]
    printed = [path for folder in folders if (path := folder / f"paper_{name}.csv").is_file()]
    return build_table(
        data.protocol,
        [row_of(data, method) for method in listed(data)],
        data.results,
        data.experiments,
        paper_csv=printed[0] if printed else None,
        name=name,
        references=REFERENCES,
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
    check_project()
    made = {}
    for dataset in datasets:
        data = Dataset.load(dataset)
        for method in to_make(data):
            try:
                _complete(data, dataset, method)
            except (InputError, ImportError, MemoryError) as reason:
                _say(f"{dataset} {method}: skipped: {reason}")
        made[dataset] = table(dataset)
        _say(f"{dataset}: table written to {data.experiments}")
    return made


def _complete(data: Dataset, dataset: str, method: str) -> None:
    """Train and score one row as far as it is not done."""
    from pmrnet.own_process import in_own_process
    from pmrnet.results import load_result

    stored = load_result(data.results / method)
    run = data.run(method)
    weights = None
    if is_trained_here(data, method):
        begun = (run / "experiment.sha256").is_file() and not (run / "weights.json").is_file()
        with suppress(InputError):  # there are none yet
            weights = None if begun else weights_of(dataset, method)
        if begun or (weights is None and stored is None):
            _say(f"{dataset} {method}: training{' goes on' if begun else ''}")
            weights = str(in_own_process(train, dataset, method))
    elif method_of(method).trained_on is not None or method_of(method).uses is not None:
        weights = weights_of(dataset, method)
    if stored is not None and stored.protocol_hash == data.protocol.hash:
        other = _other_than(stored.provenance, method, weights, _settings_of(data, method))
        now = _data_sha256(data)
        if now is not None and stored.identity.get("data_sha256") not in (None, now):
            other = "data as they are prepared now"
        if other is not None:
            raise InputError(
                f"Expected the stored result in {data.results / method} to be of the {other}, "
                f"found one of others: run `pmrnet evaluate --dataset {dataset} --method {method} "
                "--overwrite` to replace it."
            )
        _say(f"{dataset} {method}: scored already")
        return
    _say(f"{dataset} {method}: registering and scoring the test pairs")
    in_own_process(evaluate, dataset, method)


def _data_sha256(data: Dataset) -> str | None:
    """Identity of the prepared test subjects, as results have it; None where they are not here."""
    with suppress(InputError):
        return sha256_of(data_identity(data, data.subjects(data.protocol.test)))
    return None


def _settings_of(data: Dataset, method: str) -> tuple[Path, str] | None:
    """File of the settings that a result should have, and their hash; None where there is none."""
    shown = method_of(method)
    if method in ALIGNMENTS or shown.trained_on is not None:
        return None
    if (recipe := recipe_of(data, method)) is not None:
        return recipe, config_sha256(Optimised.load(recipe).as_dict())
    try:
        path = data.experiment(shown.uses or method)
    except InputError:  # the weights are all there is of it
        return None
    config = Experiment.load(path).as_dict()
    return path, config_sha256(used_config(config, method))


def _other_than(
    stored: Mapping[str, Any],
    method: str,
    weights: str | None,
    settings: tuple[Path, str] | None,
) -> str | None:
    """Say what a result should be of and is not; None where it is."""
    if weights and stored.get("weights_sha256") != weights_sha256(weights):
        return f"weights {weights}"
    uses = settings_of_use(method)
    if {key: stored["config"].get(key) for key in uses} != uses:
        return f"settings of the {' and '.join(uses)}"
    if settings and stored.get("config_sha256") != settings[1]:
        return f"settings in {settings[0]}"
    return None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
