"""One setting of the refinement after the other: read from a file, and tried on pairs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pmrnet.errors import InputError
from pmrnet.metrics import folding_fraction, jacobian_determinant
from pmrnet.refinement_settings import Refinement
from pmrnet.settings_section import read_settings
from pmrnet.yaml_file import Checker, load_yaml

if TYPE_CHECKING:
    from pmrnet.network_field import FieldModel

EXAMPLE = "experiments/bench/settings/refinement.yaml"


def read_list(path: Path) -> dict[str, Refinement]:
    """Settings by name from a YAML file.

    Raises
    ------
    InputError
        If there is no such file, or something in it is not what it should be.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a YAML file of settings, found none; correct the path.")
    named = Checker(path).mapping(load_yaml(path), "settings")
    try:
        return {
            str(name): read_settings(Refinement, changes, str(name), path, EXAMPLE)
            for name, changes in named.items()
        }
    except ValueError as error:  # InputError is one; others are the settings' own
        raise InputError(f"{path}: {error}; correct the file.") from error


def measure(
    model: FieldModel,
    settings: Refinement,
    pairs: Iterable[Sequence[Any]],
    score: Callable[[Any, Any, Any], float],
) -> dict[str, Any]:
    """Refine each pair: seconds, those of all cores together, steps, Dice and folding.

    Parameters
    ----------
    model
        What finds the velocity to start from.
    settings
        Of the refinement.
    pairs
        Prepared subjects, moving first.
    score
        Of a pair and the displacement that was found.

    Returns
    -------
    dict
        `settings`, and a number for each pair of `wall`, `cpu`, `steps`, `dice` and `folding`.
    """
    found: dict[str, Any] = {"wall": [], "cpu": [], "steps": [], "dice": [], "folding": []}
    for moving, fixed in pairs:
        images = [np.asarray(subject.image_at(1), np.float32) for subject in (moving, fixed)]
        wall, cpu = time.perf_counter(), time.process_time()
        field = model.field(*images, refine=settings)
        found["wall"].append(round(time.perf_counter() - wall, 3))
        found["cpu"].append(round(time.process_time() - cpu, 3))
        levels = (field.refinement or {"levels": []})["levels"]
        found["steps"].append([level["steps"] for level in levels])
        found["dice"].append(round(score(moving, fixed, field.displacement), 4))
        folding = folding_fraction(jacobian_determinant(field.displacement))
        found["folding"].append(round(float(folding), 7))
    return {"settings": asdict(settings), **found}
