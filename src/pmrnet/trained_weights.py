"""Which weights a method has: trained here, shipped, or those of another data set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pmrnet.dataset import Dataset
from pmrnet.errors import InputError
from pmrnet.make_command import make_command
from pmrnet.methods import method_of, split_name
from pmrnet.optimised import recipe_of


def weights_of(dataset: str, method: str, weights: str | None = None) -> str:
    """Weights to evaluate: the ones named, else those trained here, else the shipped ones.

    Parameters
    ----------
    dataset
        Name or path of the data set to register.
    method
        Name; `pmrnet@lpba40` has the weights of `pmrnet` from the data set lpba40, and
        `pmrnet-refined` those of `pmrnet`.
    weights
        Shipped name or JSON path, taken as it is.

    Raises
    ------
    InputError
        If there are none, or those of the other data set do not fit this one.
    """
    from pmrnet.weights import available

    if weights:
        return weights
    name, elsewhere = split_name(method)
    name = method_of(name).uses or name
    data = Dataset.load(elsewhere or dataset)
    if elsewhere is not None:
        reason = misfit(data, Dataset.load(dataset))
        if reason is not None:
            raise InputError(f"{method} on {dataset}: {reason}")
    trained = data.run(name) / "weights.json"
    if trained.is_file():
        return str(trained)
    if f"{data.name}-{name}" in available():
        return f"{data.name}-{name}"
    if recipe_of(data, name) is not None:
        raise InputError(
            f"{method}: expected a network, found a method without weights; its command is "
            f"`{make_command('evaluate', dataset, name)}`."
        )
    raise InputError(
        f"{method}: expected weights in {trained} or shipped ones, found none; run "
        f"`{make_command('train', data.given, name)}`."
    )


def training_cost(training: Mapping[str, Any]) -> dict[str, float | None]:
    """Steps and seconds of a training, with those of the weights that it started from.

    Parameters
    ----------
    training
        Of the weights' JSON.

    Returns
    -------
    dict
        ``steps`` and ``seconds``; None where one of them is not recorded.
    """
    parts = [training, *([training["init"]] if training.get("init") else [])]
    costs = {key: [part.get(key) for part in parts] for key in ("steps", "seconds")}
    return {key: None if None in values else sum(values) for key, values in costs.items()}


def training_machines(training: Mapping[str, Any]) -> list[str]:
    """What a training ran on, in its order: a graphics card where one did the work, else the CPU.

    Parameters
    ----------
    training
        Of the weights' JSON.
    """
    # A training that was stopped may have gone on elsewhere.
    starts = training.get("starts") or [training]
    machines = [start["machine"] for start in starts if "machine" in start]
    return list(
        dict.fromkeys(f"{m.get('accelerator') or m['cpu']}, cores: {m['cores']}" for m in machines)
    )


def misfit(trained_on: Dataset, data: Dataset) -> str | None:
    """Say why the weights of one data set do not do for a row of another one's table.

    Returns
    -------
    str or None
        What was expected, what was found and what to do; None where they fit: another data set, on
        the same network grid, none of whose test subjects is among the subjects that its protocol
        trains on. What an experiment mixes in (`mix`) is not looked at.
    """
    ours, theirs = data.protocol, trained_on.protocol
    if ours.name == theirs.name:
        return "expected weights of another data set, found its own; leave out `@` and what follows"
    grids = [(*p.data.shape, p.spacing_mm) for p in (theirs, ours)]
    if grids[0] != grids[1]:
        texts = ["{}x{}x{} voxels of 1 mm, stored at {:g} mm".format(*grid) for grid in grids]
        return (
            f"expected the network grid of {trained_on.name} ({texts[0]}), found {texts[1]}; name "
            "the weights with --weights to try them all the same"
        )
    if trained_on.source == data.source:
        seen = sorted({*theirs.train, *theirs.validation} & set(ours.test))
        if seen:
            return (
                f"expected test subjects that {trained_on.name} does not train on, found "
                f"{', '.join(seen[:4])}; use weights of another data set"
            )
    return None


def methods_with_weights(data: Dataset) -> list[str]:
    """Methods of which a data set has weights, trained here or shipped."""
    from pmrnet.weights import available

    start = f"{data.name}-"
    shipped = {name.removeprefix(start) for name in available() if name.startswith(start)}
    runs = data.run("any").parent
    return sorted(shipped | {path.parent.name for path in runs.glob("*/weights.json")})


def weights_sha256(weights: str) -> str:
    """Checksum of weights, by shipped name or JSON path, without loading them."""
    from pmrnet import weights as shipped

    path = Path(weights)
    if path.suffix != ".json":
        path = Path(shipped.__file__).parent / f"{weights}.json"
    return json.loads(path.read_text())["sha256"]
