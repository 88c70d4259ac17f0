"""The methods of the tables: their order, their titles, and their rows in the paper."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """How tables show a method.

    Attributes
    ----------
    title : str
        What a row calls it.
    paper : str or None
        Title of the row that the paper prints for it; None where it has none.
    trained : bool
        Whether it has weights.
    """

    title: str
    paper: str | None = None
    trained: bool = True


#: in the order of the tables, by the name of the experiment
METHODS = {
    "none": Method("No registration", trained=False),
    "affine": Method("Affine", trained=False),
    "syn": Method("ANTs SyN", trained=False),
    "utilzreg": Method("UtilzReg", "UtilzReg", trained=False),
    "voxelmorph": Method("VoxelMorph", "VoxelMorph"),
    "faim": Method("FAIM", "FAIM"),
    "baseline1": Method("Baseline-1", "Baseline-1"),
    "baseline2": Method("Baseline-2", "Baseline-2"),
    "pmrnet-no-levels": Method("PMR-Net, no feature-level terms"),
    "pmrnet-released": Method("PMR-Net as the authors released it"),
    "pmrnet": Method("PMR-Net", "Our Method"),
    "pmrnet-plus": Method("PMR-Net plus"),
}

#: the method that the others are compared with
REFERENCE = "pmrnet"


def in_order(methods: Iterable[str]) -> list[str]:
    """Sort methods as tables list them.

    Parameters
    ----------
    methods : iterable of str

    Returns
    -------
    list of str
        Every method once: known ones in the order of `METHODS`, then others by name.
    """
    places = {name: place for place, name in enumerate(METHODS)}
    return sorted(set(methods), key=lambda name: (places.get(name, len(places)), name))


def method_of(name: str) -> Method:
    """Return how tables show a method; one that is not known is called by its name."""
    return METHODS.get(name, Method(name))
