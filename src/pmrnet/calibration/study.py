"""Calibration of a data set: measure, fit the temperature, look at held-out pairs, store."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pmrnet import workflow
from pmrnet.calibration.kept_points import KeptPoints
from pmrnet.calibration.pairs import PairErrors
from pmrnet.calibration.points import Points, joined
from pmrnet.calibration.prediction import Predictor
from pmrnet.calibration.reliability import NOMINAL, coverage, deviation_curve, summarise
from pmrnet.calibration.temperature_fit import fit_factor, fit_temperature
from pmrnet.dataset import Dataset
from pmrnet.errors import InputError
from pmrnet.files import atomic_write_text
from pmrnet.methods import method_of
from pmrnet.provenance import collect
from pmrnet.weights.passes import looking, passes_of
from pmrnet.weights.store import load_network, weights_json
from pmrnet.weights.temperature import write_temperature

#: names of the temperatures in the records: the posterior as it is, that fitted here, and that
#: stored with weights of another data set
RAW, FITTED, STORED = "raw", "fitted", "stored"
SEED = 0


def calibrate(
    dataset: str,
    method: str,
    weights: str | None = None,
    name: str | None = None,
    samples: int = 32,
    points_per_pair: int = 10_000,
    limit: int | None = None,
) -> Path:
    """Measure how well predicted standard deviations match errors, and fit a temperature.

    The temperature is fitted on the validation pairs; test pairs are looked at afterwards, with
    the temperature found, and decide nothing. Stopped, it goes on when it is called again: what was
    measured lies in `runs/<dataset>/calibration/<name>/` until the end.

    Parameters
    ----------
    dataset, method, weights
        As `pmrnet.workflow.evaluate` takes them.
    name
        Of the record; the method's by default.
    samples
        Draws of the posterior for every pair.
    points_per_pair
        Places at which errors are looked at, at most.
    limit
        Largest number of pairs of each split, taken evenly from all; None takes all.

    Returns
    -------
    pathlib.Path
        ``experiments/<dataset>/calibration/<name>.json``: temperature, summaries, provenance.
        Beside it ``<name>.csv`` has the curves. Where the weights were trained on the training
        subjects of this protocol, as they are prepared now, the temperature is stored with them
        too, for `pmrnet.register`, and ``stored_with_weights`` is true.

    Raises
    ------
    InputError
        If the network has no velocity, there is nothing to measure errors against, or the limit is
        below 1.
    """
    if limit is not None and limit < 1:
        raise InputError(f"--pairs: expected 1 or more, found {limit}; leave it out to take all.")
    data = Dataset.load(dataset)
    if (uses := method_of(method).uses) is not None:
        raise InputError(
            f"{method}: expected a network, found another use of {uses}; calibrate that."
        )
    source = workflow.weights_of(dataset, method, weights)
    network, description = looking(*load_network(source))
    if not network.has_velocity:
        raise InputError(
            f"{method}: expected a network with a posterior, found "
            f"{description['network']['type']!r}, which has none; choose another method."
        )
    passes = passes_of(description)
    subjects = data.subjects(data.protocol.validation + data.protocol.test)
    predictor = Predictor(network, description["spacing"], samples, SEED)
    identity = workflow.data_identity(data, subjects)
    settings = {
        "samples": samples,
        "seed": SEED,
        "points_per_pair": points_per_pair,
        "passes": passes,
    }
    kept = KeptPoints(
        data.run("calibration") / (name or method),
        {
            **settings,
            "data": identity,
            "protocol": data.protocol.hash,
            "weights": description["sha256"],
        },
    )
    errors = PairErrors(data, subjects, predictor, points_per_pair, kept)
    pairs = {split: data.protocol.pairs(split) for split in ("validation", "test")}
    pairs = {split: spread(listed, limit) for split, listed in pairs.items() if listed}

    measured: dict[float, list[Points]] = {}

    def measure(temperature: float) -> Points:
        title = f"validation, temperature {temperature:.4g}"
        measured[temperature] = errors.points(pairs["validation"], temperature, title)
        return joined(measured[temperature])

    rounds = fit_temperature(measure)
    temperatures = {RAW: 1.0, FITTED: float(f"{rounds[-1]:.4g}")}
    training = description["training"]
    at_home = _trained_here(training, data)
    if description["calibration"] and not at_home:
        temperatures[STORED] = float(description["calibration"]["temperature"])
    summaries, curves = [], []
    for split, listed in pairs.items():
        for label, value in temperatures.items():
            known = measured.get(value) if split == "validation" else None
            points = joined(known or errors.points(listed, value, f"{split}, {label}"))
            key = {"split": split, "temperature": label}
            numbers = dataclasses.asdict(summarise(points))
            summaries.append({**key, "value": value, "pairs": len(listed), **numbers})
            curves += [{**key, **row} for row in _curve_rows(points)]

    settings |= {} if limit is None else {"limit": limit}
    provenance = collect(
        {**settings, "reference": errors.reference},
        {**identity, "protocol": {"name": data.name, "hash": data.protocol.hash}},
        training.get("seed"),
        training.get("steps"),
        description["sha256"],
    )
    factors = map(fit_factor, measured[1.0])
    record = {
        "dataset": data.name,
        "method": method,
        "weights": Path(source).name,
        "reference": errors.reference,
        "components": measured[1.0][0].components,
        "temperature": temperatures[FITTED],
        "stored_with_weights": at_home,
        "rounds": rounds,
        "factor_of_each_pair": {
            f"{moving} {fixed}": factor
            for (moving, fixed), factor in zip(pairs["validation"], factors, strict=True)
        },
        "summaries": summaries,
        "provenance": provenance,
    }
    path = data.experiments / "calibration" / f"{name or method}.json"
    atomic_write_text(
        path.with_suffix(".csv"),
        pd.DataFrame(curves).to_csv(index=False, float_format="%.5g", lineterminator="\n"),
    )
    atomic_write_text(path, json.dumps(_rounded(record), indent=1, allow_nan=False) + "\n")
    if at_home:
        about = {"fitted_on": "validation pairs", "reference": errors.reference, **provenance}
        file = weights_json(source)
        write_temperature(file, description["sha256"], temperatures[FITTED], about, passes)
    kept.remove()
    return path


def _trained_here(training: Mapping[str, Any], data: Dataset) -> bool:
    """Whether weights were trained on the very subjects that the protocol trains on.

    Other protocols may split the same data otherwise, and test what these have trained on.
    """
    trained_on = training.get("data", {})
    if trained_on.get("dataset") != data.source:
        return False
    ours = data.subjects(data.protocol.train + data.protocol.validation)
    return all(trained_on.get(key) == v for key, v in workflow.data_identity(data, ours).items())


def spread(pairs: Sequence[tuple[str, str]], limit: int | None) -> list[tuple[str, str]]:
    """At most `limit` of the pairs, evenly spaced, not all of one subject."""
    if limit is None or len(pairs) <= limit:
        return list(pairs)
    return [pairs[round(place)] for place in np.linspace(0, len(pairs) - 1, limit)]


def _curve_rows(points: Points) -> list[dict[str, Any]]:
    """Both curves as rows of one table: x is what was predicted, y what was found."""
    curve = deviation_curve(points)
    rows = [
        {"curve": "deviation", "x": x, "y": y, "points": int(n)}
        for x, y, n in zip(curve.predicted, curve.actual, curve.count, strict=True)
    ]
    found = coverage(points)
    return rows + [
        {"curve": "coverage", "x": x, "y": y, "points": len(points.error)}
        for x, y in zip(NOMINAL, found, strict=True)
    ]


def _rounded(value: Any) -> Any:
    """Floats of five digits, which is more than the draws give; NaN as None, for JSON."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value
