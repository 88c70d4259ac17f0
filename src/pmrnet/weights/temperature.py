"""The temperature of weights: a file beside them, and what a user may ask for.

A temperature multiplies the variance of a network's posterior; `pmrnet calibrate` fits the one with
which the predicted standard deviation of the displacement matches errors. It lies in
`<weights>.calibration.json`, with the checksum of the weights that it was fitted for: one of other
weights does not count. It is one for a number of passes, too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pmrnet.errors import InputError
from pmrnet.files import atomic_write_text
from pmrnet.weights.passes import Passes, is_passes, passes_of

#: end of the file's name
ENDING = ".calibration.json"
#: asks for the temperature that was fitted
FITTED = "fitted"
_FORMAT = 1


def temperature_path(weights: Path) -> Path:
    """File of the temperature that belongs to a weights JSON."""
    return weights.with_name(weights.stem + ENDING)


def write_temperature(
    weights: Path,
    sha256: str,
    temperature: float,
    provenance: Mapping[str, Any],
    passes: Passes = 1,
) -> Path:
    """Store the temperature of weights.

    Parameters
    ----------
    weights
        Their JSON.
    sha256
        Checksum that the JSON has of the weights.
    temperature
        Above 0.
    provenance
        What it was fitted on; JSON types.
    passes
        How often the network looked when it was fitted, as `pmrnet.weights.passes` writes it.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    path = temperature_path(weights)
    record = {
        "format": _FORMAT,
        "weights_sha256": sha256,
        "temperature": temperature,
        "passes": passes,
        "provenance": dict(provenance),
    }
    try:
        atomic_write_text(path, json.dumps(record, indent=1) + "\n")
    except OSError as error:
        raise InputError(
            f"{path}: expected a folder that can be written to, found otherwise "
            f"({error.strerror}); copy the weights to one of your own."
        ) from error
    return path


def read_temperature(weights: Path, sha256: str) -> dict[str, Any] | None:
    """Record of `write_temperature`; None where there is none, or one of other weights.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    path = temperature_path(weights)
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text())
        value, owner = float(record["temperature"]), record["weights_sha256"]
        passes = record.get("passes", 1)
        if not 0 < value < math.inf or record["format"] != _FORMAT or not is_passes(passes):
            raise ValueError(
                f"format {record['format']} with temperature {value} and {passes!r} passes"
            )
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path}: expected a temperature above 0 (format {_FORMAT}), found {error!r}; delete "
            "the file, or run `pmrnet calibrate` again."
        ) from error
    return record if owner == sha256 else None


def parse_temperature(text: str | None) -> float | str | None:
    """What the command line says: `fitted`, a number above 0, or nothing.

    Raises
    ------
    InputError
        If it is neither.
    """
    if text is None or text == FITTED:
        return text
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise InputError(
            f"--temperature: expected `{FITTED}` or a number above 0, found {text!r}; 1 is the "
            "posterior as the network gives it."
        )
    return value


def fits(record: Mapping[str, Any] | None, description: Mapping[str, Any]) -> bool:
    """Whether a temperature was fitted with the network looking as often as it does now.

    Parameters
    ----------
    record
        From `read_temperature`.
    description
        Of the weights, with `network`, the settings that the network has now.
    """
    looks = passes_of(description)
    return record is not None and record.get("passes", looks) == looks  # older ones do not say


def choose_temperature(wanted: float | str | None, description: Mapping[str, Any]) -> float:
    """Temperature to use with weights.

    Parameters
    ----------
    wanted
        A number; `fitted`; or None for the fitted one where there is one, else 1. One that was
        fitted with another number of passes is nearer to what errors are than 1, and is taken then.
    description
        From `pmrnet.weights.load_network`: `calibration` holds the fitted one, if there is.

    Raises
    ------
    InputError
        If the fitted one is asked for and there is none, or none for as many passes, or a number is
        not above 0.
    """
    record = description.get("calibration")
    if wanted is None:
        return 1.0 if record is None else float(record["temperature"])
    if wanted != FITTED:
        return float(parse_temperature(str(wanted)))
    if record is None:
        raise InputError(
            f"temperature: expected one that was fitted for these weights, found none beside "
            f"{description['weights']}; run `pmrnet calibrate`, or give a number."
        )
    if not fits(record, description):
        raise InputError(
            f"temperature: expected one fitted with {passes_of(description)} passes, found one "
            f"fitted with {record['passes']}; leave the passes out, or give a number."
        )
    return float(record["temperature"])
