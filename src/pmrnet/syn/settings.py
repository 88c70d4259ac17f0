"""How ANTs registers: the arguments of `ants.registration` that matter, and their defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pmrnet.errors import InputError
from pmrnet.settings_section import read_settings
from pmrnet.value_checks import all_of, is_0_or_more, is_count, is_count_or_0, is_positive

#: those that heed all settings below. Others have numbers of their own: "SyNCC" runs a rigid and
#: an affine stage and then correlation of radius 4, whatever metric, iterations or step are given.
TRANSFORMS = ("SyNOnly", "SyN")
METRICS = ("mattes", "CC", "meansquares", "demons")


@dataclasses.dataclass(frozen=True)
class SynSettings:
    """Settings of SyN; the defaults are those of `ants.registration` in antspyx 0.6.3.

    Parameters
    ----------
    type_of_transform
        "SyNOnly": the deformable stage alone. "SyN": an affine stage of Mattes information before
        it, which is then part of the displacement. Both start from the identity.
    syn_metric
        Of the deformable stage: "mattes" (mutual information), "CC" (local cross-correlation),
        "meansquares" or "demons".
    syn_sampling
        Bins of "mattes", radius in voxels of "CC"; the others do not heed it.
    iterations
        Largest number of steps on each level, coarse to fine (`reg_iterations`): with n levels
        level k has images 2^(n-1-k) times coarser, smoothed by n-1-k voxels. 0 leaves one out.
    gradient_step
        Length of a step (`grad_step`).
    flow_sigma, total_sigma
        Smoothing of the update and of the whole field.
    random_seed
        Of the points that the affine stage samples; "SyNOnly" takes all points. Threads add up in
        no fixed order, so two runs differ in the last digits all the same.
    """

    type_of_transform: str = "SyNOnly"
    syn_metric: str = "mattes"
    syn_sampling: int = 32
    iterations: tuple[int, ...] = (40, 20, 0)
    gradient_step: float = 0.2
    flow_sigma: float = 3.0
    total_sigma: float = 0.0
    random_seed: int = 1

    def __post_init__(self) -> None:
        for name, fits, expected in _EXPECTED:
            value = getattr(self, name)
            if not fits(value):
                raise InputError(f"ants.{name}: expected {expected}, found {value!r}; correct it.")

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any], path: object) -> SynSettings:
        """Read the section `ants` of an experiment file; what is left out has its default.

        Parameters
        ----------
        content
            The section, as YAML gives it.
        path
            The file, for messages.

        Raises
        ------
        InputError
            If a key is unknown or a value is not what it should be.
        """
        return read_settings(cls, content, "ants", path, "experiments/lpba40/syn.yaml")

    def as_dict(self) -> dict[str, Any]:
        """Plain content, as it is hashed and stored with results."""
        return dataclasses.asdict(self)


_EXPECTED = (
    ("type_of_transform", TRANSFORMS.__contains__, f"one of {', '.join(TRANSFORMS)}"),
    ("syn_metric", METRICS.__contains__, f"one of {', '.join(METRICS)}"),
    ("syn_sampling", is_count, "a whole number above 0"),
    (
        "iterations",
        lambda values: all_of(is_count_or_0)(values) and any(values),
        "a list of whole numbers, one of them above 0",
    ),
    ("gradient_step", is_positive, "a positive number"),
    ("flow_sigma", is_0_or_more, "a number of 0 or more"),
    ("total_sigma", is_0_or_more, "a number of 0 or more"),
    # ITK takes 0 for "by the clock".
    ("random_seed", is_count, "a whole number above 0"),
)
