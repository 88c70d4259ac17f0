"""Points of the pairs of an unfinished calibration, so that one that was stopped goes on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from pmrnet.calibration.points import Points
from pmrnet.files import atomic_path
from pmrnet.provenance import sha256_of


class KeptPoints:
    """A file for each pair and temperature.

    Parameters
    ----------
    folder
        Of the calibration that they belong to.
    identity
        What else the points depend on, of JSON types: weights, data, settings. Those of another
        identity are not seen.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self._folder = folder
        self._own = folder / sha256_of(identity)[:16]

    def read(self, pair: tuple[str, str], temperature: float) -> Points | None:
        """Points that `write` was given, bit by bit; None where there are none."""
        try:
            with np.load(self._path(pair, temperature), allow_pickle=False) as file:
                return Points(file["deviation"], file["error"])
        except (FileNotFoundError, BadZipFile, EOFError, KeyError, ValueError):
            return None

    def write(self, pair: tuple[str, str], temperature: float, points: Points) -> None:
        """Keep the points of one pair (moving, fixed)."""
        with atomic_path(self._path(pair, temperature)) as temporary:
            np.savez(temporary, deviation=points.deviation, error=points.error)

    def remove(self) -> None:
        """Remove all that is kept for the calibration, of whatever identity."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, pair: tuple[str, str], temperature: float) -> Path:
        return self._own / f"{sha256_of([*pair, temperature])[:32]}.npz"
