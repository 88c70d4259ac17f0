"""Methods without weights: each pair of images is registered by an optimisation of its own.

Their experiment files have one key, the section of a kind's settings.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pmrnet.config import read_experiment_file
from pmrnet.errors import InputError
from pmrnet.methods import ALIGNMENTS, method_of

if TYPE_CHECKING:
    from pmrnet.dataset import Dataset
    from pmrnet.scoring import DisplacementFunction
    from pmrnet.shooting import ShootingSettings
    from pmrnet.syn import SynSettings


class _Kind(NamedTuple):
    """Where a kind is implemented, and what else its results depend on."""

    module: str
    settings: str
    registrar: str
    packages: tuple[str, ...]


# Named, not imported: a table is written without TensorFlow.
_KINDS = {
    "shooting": _Kind("pmrnet.shooting", "ShootingSettings", "ShootingRegistrar", ("scipy",)),
    "ants": _Kind("pmrnet.syn", "SynSettings", "SynRegistrar", ("antspyx",)),
}


@dataclass(frozen=True)
class Optimised:
    """A method without weights, as its experiment file describes it.

    Attributes
    ----------
    name
        The file's stem.
    section
        The file's key: "shooting" or "ants".
    settings
        What is in it, checked.
    """

    name: str
    section: str
    settings: ShootingSettings | SynSettings

    @classmethod
    def load(cls, path: Path) -> Optimised:
        """Read and check an experiment file that `section_of` knows.

        Raises
        ------
        InputError
            If the file is missing, has another key or wrong settings.
        """
        section = section_of(path)
        if section is None:
            raise InputError(
                f"{path}: expected one of the keys {', '.join(_KINDS)}, found neither; compare "
                "with experiments/lpba40/utilzreg.yaml."
            )
        kind = _KINDS[section]
        settings = getattr(importlib.import_module(kind.module), kind.settings)
        content = read_experiment_file(path)[section]
        return cls(path.stem, section, settings.from_mapping(content, path))

    def displacement_function(self) -> DisplacementFunction:
        """Function of a moving and a fixed subject that registers them.

        Raises
        ------
        InputError
            If a package that it needs is not installed.
        """
        kind = _KINDS[self.section]
        registrar = getattr(importlib.import_module(kind.module), kind.registrar)
        return registrar(self.settings).displacement

    @property
    def seed(self) -> int | None:
        """Seed of its random numbers; None where it has none."""
        return getattr(self.settings, "random_seed", None)

    def versions(self) -> dict[str, str]:
        """Versions of the installed packages that do its work."""
        return {name: metadata.version(name) for name in _KINDS[self.section].packages}

    def as_dict(self) -> dict[str, Any]:
        """Plain content, as it is hashed and stored with results."""
        return {"name": self.name, self.section: self.settings.as_dict()}


def section_of(path: Path) -> str | None:
    """Kind of an experiment file's method.

    Returns
    -------
    str or None
        "shooting" or "ants"; None for that of a network to train.

    Raises
    ------
    InputError
        If the file is missing or no YAML mapping, or has other keys beside.
    """
    content = read_experiment_file(path)
    section = next((key for key in _KINDS if key in content), None)
    if section is not None and len(content) > 1:
        others = ", ".join(str(key) for key in content if key != section)
        raise InputError(
            f"{path}: expected no other key beside {section}, found {others}; leave them out."
        )
    return section


def recipe_of(data: Dataset, method: str) -> Path | None:
    """Experiment file of a method without weights.

    Parameters
    ----------
    data
        The data set.
    method
        Name.

    Returns
    -------
    pathlib.Path or None
        None for networks, and for methods that compute nothing.

    Raises
    ------
    InputError
        If the method is known to have no weights and has no such file, or the file is wrong.
    """
    shown = method_of(method)
    if method in ALIGNMENTS or shown.trained_on is not None or shown.uses is not None:
        return None
    try:
        path = data.experiment(method)
    except InputError:
        if shown.trained:  # the weights may be all there is of it
            return None
        raise
    return None if section_of(path) is None else path
